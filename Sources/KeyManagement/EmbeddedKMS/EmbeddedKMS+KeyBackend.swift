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
        try masterKey(of: wrapped).unwrap(wrapped, context)
    }

    public func rewrap(
        _ wrapped: WrappedKey, context: KeyContext
    ) throws(KeyError) -> WrappedKey {
        // Refused before anything is asked of the newest version.
        _ = try unwrap(wrapped, context: context)
        return try currentMasterKey().rewrap(wrapped, context, entropy: entropy)
    }

    public func rotate() throws(KeyError) -> UInt32 {
        try state.withLock { (state) throws(KeyError) -> UInt32 in
            let (_, keys) = try unlocked(&state)
            let record = try keystore.withLock { () throws(KeyError) -> SealedMasterKey in
                try rotateRecord(keys)
            }
            let masterKey = try open(record, keys)
            state.masterKeys[masterKey.keyID] = masterKey
            state.current = masterKey
            return masterKey.version
        }
    }

    /// Called under the keystore's lock.
    private func rotateRecord(_ keys: KeystoreKeys) throws(KeyError) -> SealedMasterKey {
        var payload = try activated().verified(by: keys)
        let index = payload.keys.firstIndex { $0.account == account && $0.region == region }
        guard let index else {
            throw KeyError(
                .unknownKey,
                "keystore \(path) has no CMK of account \(account) in region \(region) yet: there"
                    + " is nothing to rotate")
        }
        let before = payload.keys[index]
        guard before.newestVersion < SealedMasterKey.mostVersions else {
            throw KeyError(
                .refused,
                "CMK \(before.keyID) has \(before.newestVersion) versions, all it can have")
        }
        let record = try withCrypto("rotate CMK \(before.keyID)") { () throws(CryptoError) in
            try keys.rotate(before, at: clock.now(), entropy: entropy)
        }
        payload.keys[index] = record
        payload.becomeRotated()
        try keystore.write(payload, keys: keys)
        return record
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
            if let current = state.current, !isRotated(beyond: current) { return current }
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

    /// Whether another process has rotated it since, as the keystore claims. One that cannot be
    /// read now keeps nobody from going on with what is known.
    private func isRotated(beyond known: MasterKey) -> Bool {
        let claimed = (try? keystore.read())?.claimed.key(account: account, region: region)
        return claimed.map { $0.keyID == known.keyID && $0.newestVersion > known.version } ?? false
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

    /// With the material that wrapped a key, as that claims.
    private func masterKey(of wrapped: WrappedKey) throws(KeyError) -> MasterKey {
        let (keyID, version) = (wrapped.keyID, MasterKey.version(of: wrapped) ?? 1)
        return try state.withLock { (state) throws(KeyError) -> MasterKey in
            if let known = state.masterKeys[keyID], known.version >= version { return known }
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
            state.current = masterKey
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
