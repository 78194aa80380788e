import CryptoPrimitives
import Glibc

extension EmbeddedKMS {
    /// Activates the service for this account (OpenKmsService); false if it already was.
    ///
    /// Makes the keystore if there is none, and the key file if that is the unlocker and it is
    /// missing. `unlocker` nil: the one of `init`, else a prompt. ▲ Success means that the
    /// unlocker, if one was given, opens the keystore: whoever gave it may now rely on it. Throws
    /// `.locked`, `.io`.
    @discardableResult
    public func activate(unlocker: Unlocker? = nil) throws(KeyError) -> Bool {
        try state.withLock { (state) throws(KeyError) -> Bool in
            let before = try keystore.read()
            let asked = unlocker ?? state.unlocker
            if let before, before.claimed.accounts.contains(account) {
                // Unlocked already, and nothing new was given: known to open it.
                if unlocker == nil, let keys = state.keys, before.belongs(to: keys) {
                    _ = try before.verified(by: keys)
                } else if let asked {
                    state.keys = try self.keys(of: before, from: asked)
                    if let unlocker { state.unlocker = unlocker }
                }
                return false
            }
            let chosen: Unlocker
            if let before {
                chosen = try Self.unlocker(asked, for: before, keystore: path)
            } else {
                chosen = asked ?? .prompt
                guard chosen.kind != .recoveryKey else {
                    throw KeyError(
                        .locked,
                        "there is no keystore \(path) yet, and a recovery key is added to one that"
                            + " is there: make it with a key file or a passphrase")
                }
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
            if before == nil, chosen.kind != .keyFile { try Passphrase.demandStrength(of: secret) }
            let (keys, changed) = try keystore.withLock {
                () throws(KeyError) -> (KeystoreKeys, Bool) in
                try addAccount(secret, chosen)
            }
            state.keys = keys
            if let unlocker { state.unlocker = unlocker }
            return changed
        }
    }

    /// The keys of a keystore that is in use already. Throws `.locked`, saying what to do, if the
    /// unlocker does not open it; makes nothing.
    private func keys(
        of found: Keystore.Found, from unlocker: Unlocker
    ) throws(KeyError) -> KeystoreKeys {
        do throws(KeyError) {
            let chosen = try Self.unlocker(unlocker, for: found, keystore: path)
            let secret = try Passphrase.get(from: chosen, keystore: path, confirm: false)
            let keys = try found.unlock(with: secret, as: chosen.kind)
            _ = try found.verified(by: keys)
            return keys
        } catch {
            throw KeyError(
                error.code,
                "the KMS is active already, and this does not open its keystore:"
                    + " \(error.message). Nothing was made or changed. Give the secret the keystore"
                    + " was made with, or name another keystore to make a new one")
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
            keys = try found.unlock(with: secret, as: unlocker.kind)
            payload = try found.verified(by: keys)
            if payload.accounts.contains(account) { return (keys, false) }
        } else {
            let description = try describe(unlocker)
            payload = KeystorePayload(unlocker: description)
            keys = try withCrypto("derive the key of keystore \(path)") {
                () throws(CryptoError) in
                try KeystoreKeys(secret: secret, description)
            }
        }
        payload.accounts.append(account)
        try keystore.write(payload, keys: keys)
        return (keys, true)
    }

    func describe(_ unlocker: Unlocker) throws(KeyError) -> UnlockerDescription {
        let salt = try withCrypto("make a keystore") { () throws(CryptoError) in
            try entropy.bytes(32)
        }
        var keyFile: String?
        if case .keyFile(let file) = unlocker, let absolute = realpath(file, nil) {
            keyFile = String(cString: absolute)
            free(absolute)
        }
        return UnlockerDescription(
            kind: unlocker.kind, keyFile: keyFile, scrypt: unlocker.kind.isPassphrase ? cost : nil,
            salt: HexBytes(salt))
    }
}
