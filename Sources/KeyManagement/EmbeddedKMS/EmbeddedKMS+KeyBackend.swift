import CryptoPrimitives

extension EmbeddedKMS {
    public var location: String { path }

    @discardableResult
    public func activate() throws(KeyError) -> Bool { try activate(unlocker: nil) }

    public func generateDataKey(context: KeyContext) throws(KeyError) -> GeneratedDataKey {
        try currentMasterKey().generate(context, entropy: entropy)
    }

    public func unwrap(
        _ wrapped: WrappedKey, context: KeyContext
    ) throws(KeyError) -> SecretBytes {
        try masterKey(wrapped.keyID).unwrap(wrapped, context)
    }

    /// A CMK of a keystore has one version: what comes back is `wrapped`, known to unwrap.
    public func rewrap(
        _ wrapped: WrappedKey, context: KeyContext
    ) throws(KeyError) -> WrappedKey {
        _ = try unwrap(wrapped, context: context)
        return wrapped
    }

    /// Verified if the keystore is unlocked; else what the keystore claims.
    public func describe() throws(KeyError) -> KeyDescription? {
        let found = try activated()
        let payload = try state.withLock { (state) throws(KeyError) -> KeystorePayload in
            // Keys of before another process changed the unlockers cannot tell, and a disk is to be
            // detached nevertheless.
            guard let keys = state.keys, found.belongs(to: keys) else { return found.claimed }
            return try found.verified(by: keys)
        }
        return payload.key(account: account, region: region)?.description
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
