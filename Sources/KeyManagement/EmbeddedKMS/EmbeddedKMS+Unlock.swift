import CryptoPrimitives
import Glibc

extension EmbeddedKMS {
    /// The verified keystore and its keys, unlocking it if need be.
    /// Throws `.notActivated`, `.locked`, `.io`.
    func unlocked(
        _ state: inout State
    ) throws(KeyError) -> (payload: KeystorePayload, keys: KeystoreKeys) {
        let found = try activated()
        // Where another process changed the unlockers of version 1, the keys are others now.
        if let keys = state.keys, found.belongs(to: keys) {
            return (try found.verified(by: keys), keys)
        }
        let unlocker = try Self.unlocker(state.unlocker, for: found, keystore: path)
        let secret = try Passphrase.get(from: unlocker, keystore: path, confirm: false)
        let keys = try found.unlock(with: secret, as: unlocker.kind)
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

    /// The unlocker that was given, if the keystore has one of its sort, or what it suggests.
    static func unlocker(
        _ given: Unlocker?, for found: Keystore.Found, keystore path: String
    ) throws(KeyError) -> Unlocker {
        let all = found.claimed.unlockers
        guard let given else {
            guard let description = suggested(among: all), description.kind == .keyFile else {
                return .prompt
            }
            if let keyFile = description.keyFile { return .keyFile(keyFile) }
            throw KeyError(.locked, "keystore \(path) needs its key file; name it")
        }
        let hasKeyFile = all.contains { $0.kind == .keyFile }
        let hasRecoveryKey = all.contains { $0.kind == .recoveryKey }
        let place = all.lazy.compactMap(\.keyFile).first.map { " (it was \($0))" } ?? ""
        switch given.kind {
        case .keyFile where !hasKeyFile:
            throw KeyError(
                .locked, "keystore \(path) is opened by a passphrase, not by a key file")
        case .passphrase where !hasRecoveryKey && !all.contains { $0.kind.isPassphrase },
            .passphraseCommand where !hasRecoveryKey && !all.contains { $0.kind.isPassphrase }:
            throw KeyError(
                .locked, "keystore \(path) is opened by a key file\(place), not by a passphrase")
        case .recoveryKey where !hasRecoveryKey:
            throw KeyError(
                .locked,
                "keystore \(path) has no recovery key; open it with its key file\(place) or"
                    + " passphrase")
        default: return given
        }
    }

    /// What opens a keystore where nothing is said: a key file that is there, a passphrase, a key
    /// file that is to be put back, a recovery key.
    static func suggested(among all: [UnlockerDescription]) -> UnlockerDescription? {
        let keyFiles = all.filter { $0.kind == .keyFile }
        let there = keyFiles.first { $0.keyFile.map { access($0, F_OK) == 0 } ?? false }
        return there ?? all.first { $0.kind.isPassphrase } ?? keyFiles.first ?? all.first
    }
}
