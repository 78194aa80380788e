import CryptoPrimitives

extension EmbeddedKMS {
    /// The verified keystore and its keys, unlocking it if need be.
    /// Throws `.notActivated`, `.locked`, `.io`.
    func unlocked(
        _ state: inout State
    ) throws(KeyError) -> (payload: KeystorePayload, keys: KeystoreKeys) {
        let found = try activated()
        if let keys = state.keys { return (try found.verified(by: keys), keys) }
        let unlocker = try Self.unlocker(state.unlocker, for: found, keystore: path)
        let secret = try Passphrase.get(from: unlocker, keystore: path, confirm: false)
        let keys = try found.unlock(with: secret)
        let payload = try found.verified(by: keys)
        state.keys = keys
        return (payload, keys)
    }

    /// The keystore as it claims to be, if this account is activated in it.
    func activated() throws(KeyError) -> Keystore.Found {
        guard let found = try keystore.read() else {
            throw KeyError(
                .notActivated,
                "the KMS is not activated: there is no keystore \(path); activate it"
                    + " (`OpenKmsService`) or name the right keystore")
        }
        guard found.claimed.accounts.contains(account) else {
            throw KeyError(
                .notActivated,
                "the KMS is not activated for account \(account) in keystore \(path); activate it"
                    + " (`OpenKmsService`)")
        }
        return found
    }

    /// The unlocker that was given, if it is of the keystore's sort, or what the keystore suggests.
    static func unlocker(
        _ given: Unlocker?, for found: Keystore.Found, keystore path: String
    ) throws(KeyError) -> Unlocker {
        let description = found.claimed.unlocker
        let place = description.keyFile.map { " (it was \($0))" } ?? ""
        guard let given else {
            if description.kind != .keyFile { return .prompt }
            if let keyFile = description.keyFile { return .keyFile(keyFile) }
            throw KeyError(.locked, "keystore \(path) needs its key file; name it")
        }
        switch (given.kind == .keyFile, description.kind == .keyFile) {
        case (true, false):
            throw KeyError(
                .locked, "keystore \(path) is opened by a passphrase, not by a key file")
        case (false, true):
            throw KeyError(
                .locked, "keystore \(path) is opened by a key file\(place), not by a passphrase")
        default: return given
        }
    }
}
