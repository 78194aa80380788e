import CryptoPrimitives
import Glibc

extension EmbeddedKMS {
    /// Activates the service for this account (OpenKmsService); false if it already was.
    ///
    /// Makes the keystore if there is none, and the key file if that is the unlocker and it is
    /// missing. `unlocker` nil: the one of `init`, else a prompt. Throws `.locked`, `.io`.
    @discardableResult
    public func activate(unlocker: Unlocker? = nil) throws(KeyError) -> Bool {
        try state.withLock { (state) throws(KeyError) -> Bool in
            let before = try keystore.read()
            if let before, before.claimed.accounts.contains(account) { return false }
            let asked = unlocker ?? state.unlocker
            let chosen: Unlocker
            if let before {
                chosen = try Self.unlocker(asked, for: before, keystore: path)
            } else {
                chosen = asked ?? .prompt
                try HostFile.makeFolder(HostFile.folder(of: path))
                if case .keyFile(let file) = chosen {
                    _ = try keystore.withLock { () throws(KeyError) in
                        try KeyFile.createIfMissing(file, entropy: entropy)
                    }
                }
            }
            // Asked before the lock is taken: another process must not wait for a person.
            let secret = try Passphrase.get(
                from: chosen, keystore: path, confirm: before == nil)
            let (keys, changed) = try keystore.withLock {
                () throws(KeyError) -> (KeystoreKeys, Bool) in
                try addAccount(secret, chosen)
            }
            state.keys = keys
            if let unlocker { state.unlocker = unlocker }
            return changed
        }
    }

    /// Adds the account to the keystore as it is now, or makes the keystore. Call under its lock.
    private func addAccount(
        _ secret: borrowing SecretBytes, _ unlocker: Unlocker
    ) throws(KeyError) -> (KeystoreKeys, Bool) {
        var payload: KeystorePayload
        let keys: KeystoreKeys
        if let found = try keystore.read() {
            _ = try Self.unlocker(unlocker, for: found, keystore: path)
            keys = try found.unlock(with: secret)
            payload = try found.verified(by: keys)
            if payload.accounts.contains(account) { return (keys, false) }
        } else {
            payload = KeystorePayload(unlocker: try describe(unlocker))
            let description = payload.unlocker
            keys = try withCrypto("derive the key of keystore \(path)") {
                () throws(CryptoError) in
                try KeystoreKeys(secret: secret, description)
            }
        }
        payload.accounts.append(account)
        try keystore.write(payload, keys: keys)
        return (keys, true)
    }

    private func describe(_ unlocker: Unlocker) throws(KeyError) -> UnlockerDescription {
        let salt = try withCrypto("make a keystore") { () throws(CryptoError) in
            try entropy.bytes(32)
        }
        var keyFile: String?
        if case .keyFile(let file) = unlocker, let absolute = realpath(file, nil) {
            keyFile = String(cString: absolute)
            free(absolute)
        }
        return UnlockerDescription(
            kind: unlocker.kind, keyFile: keyFile, scrypt: unlocker.kind == .keyFile ? nil : cost,
            salt: HexBytes(salt))
    }
}
