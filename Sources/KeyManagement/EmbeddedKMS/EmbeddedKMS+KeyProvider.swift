import CryptoPrimitives

extension EmbeddedKMS {
    public func generateDataKey(
        context: KeyContext, use: KeyUse
    ) throws(KeyError) -> GeneratedDataKey {
        try metered(.generateDataKey, use, context) { (keyID) throws(KeyError) in
            let masterKey = try currentMasterKey()
            keyID = masterKey.keyID
            return try masterKey.generate(context, entropy: entropy)
        }
    }

    public func unwrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> SecretBytes {
        try metered(.decrypt, use, context) { (keyID) throws(KeyError) in
            // The id comes from untrusted storage: a log line holds no more of it than a UUID.
            keyID = String(wrapped.keyID.prefix(36))
            return try masterKey(wrapped.keyID).unwrap(wrapped, context)
        }
    }

    /// Verified if the keystore is unlocked; else what the keystore claims.
    public func describe(use: KeyUse) throws(KeyError) -> KeyDescription? {
        try metered(.describeKey, use, nil) { (keyID) throws(KeyError) in
            let found = try activated()
            let payload = try state.withLock { (state) throws(KeyError) in
                try state.keys.map { (keys) throws(KeyError) in try found.verified(by: keys) }
                    ?? found.claimed
            }
            let key = payload.key(account: account, region: region)
            keyID = key?.keyID
            return key?.description
        }
    }

    public func note(_ use: KeyUse) throws(KeyError) {
        try metered(.note, use, nil) { _ in }
    }

    /// As the keystore claims; a forged claim ends at the first use of a key.
    public var isActivated: Bool {
        get throws(KeyError) {
            try keystore.read()?.claimed.accounts.contains(account) ?? false
        }
    }

    /// The CMK of this account and region, made now if there is none.
    private func currentMasterKey() throws(KeyError) -> MasterKey {
        try state.withLock { (state) throws(KeyError) -> MasterKey in
            if let current = state.current { return current }
            let (payload, keys) = try unlocked(&state)
            let record: SealedMasterKey
            if let existing = payload.key(account: account, region: region) {
                record = existing
            } else {
                record = try makeMasterKey(keys)
            }
            let masterKey = try open(record, keys)
            state.masterKeys[masterKey.keyID] = masterKey
            state.current = masterKey
            return masterKey
        }
    }

    /// Adds the CMK to the keystore as it is now, unless another process just did.
    private func makeMasterKey(_ keys: KeystoreKeys) throws(KeyError) -> SealedMasterKey {
        try keystore.withLock { () throws(KeyError) -> SealedMasterKey in
            var payload = try activated().verified(by: keys)
            if let existing = payload.key(account: account, region: region) { return existing }
            let record = try withCrypto("make a CMK") { () throws(CryptoError) in
                try keys.makeMasterKey(
                    account: account, region: region, created: clock.now(), entropy: entropy)
            }
            payload.keys.append(record)
            try keystore.write(payload, keys: keys)
            return record
        }
    }

    private func masterKey(_ keyID: String) throws(KeyError) -> MasterKey {
        try state.withLock { (state) throws(KeyError) -> MasterKey in
            if let known = state.masterKeys[keyID] { return known }
            let (payload, keys) = try unlocked(&state)
            let own = payload.key(account: account, region: region)
            guard let own, own.keyID == keyID else {
                throw KeyError(
                    .unknownKey,
                    "keystore \(path) holds no CMK \(keyID.prefix(36)) for account \(account) in"
                        + " region \(region); name the keystore, account and region the disk was"
                        + " made with")
            }
            let masterKey = try open(own, keys)
            state.masterKeys[keyID] = masterKey
            return masterKey
        }
    }

    private func open(_ record: SealedMasterKey, _ keys: KeystoreKeys) throws(KeyError) -> MasterKey
    {
        do throws(CryptoError) {
            return try keys.open(record)
        } catch {
            throw KeyError.crypto(error, "open CMK \(record.keyID) in keystore \(path)")
        }
    }
}

extension EmbeddedKMS {
    /// Counts and logs one use. ▲ A key leaves only after its line is in the log.
    /// `body` fills in the id of the CMK as soon as it is known.
    private func metered<R: ~Copyable>(
        _ operation: KeyUseLog.Operation, _ use: KeyUse, _ context: KeyContext?,
        _ body: (inout String?) throws(KeyError) -> R
    ) throws(KeyError) -> R {
        uses.withLock { $0[use.action, default: 0] += 1 }
        var keyID: String?
        func record(_ result: String) throws(KeyError) {
            try log.append(
                KeyUseLog.Entry(
                    time: clock.now(), action: use.action, operation: operation, keyID: keyID,
                    account: account, region: region, resource: use.resource, context: context,
                    result: result))
        }
        let result = try { () throws(KeyError) -> R in
            do throws(KeyError) {
                return try body(&keyID)
            } catch {
                let refusal = error
                do throws(KeyError) {
                    try record(refusal.code.rawValue)
                } catch {
                    // No key was used; the cause of the refusal is what the caller can act on.
                    throw KeyError(
                        refusal.code, "\(refusal.message) (and not logged: \(error.message))")
                }
                throw refusal
            }
        }()
        try record("ok")
        return result
    }
}
