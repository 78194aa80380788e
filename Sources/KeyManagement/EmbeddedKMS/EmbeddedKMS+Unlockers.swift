import CryptoPrimitives
import Glibc

/// One of the ways to open a keystore.
public struct KeystoreUnlocker: Sendable, Hashable {
    public let id: Int
    /// `passphrase`, `passphrase-command`, `key-file` or `recovery-key`.
    public let kind: String
    /// Where the key file was when it was added.
    public let keyFile: String?
}

/// The first change of the unlockers brings a keystore to version 2: its root key then is random
/// and lies in each slot, and all CMKs are sealed anew. The file is replaced as a whole, so that a
/// crash leaves the old or the new one.
extension EmbeddedKMS {
    /// As the keystore claims. Throws `.notActivated` if there is none, `.io`.
    public func unlockers() throws(KeyError) -> [KeystoreUnlocker] {
        let claimed = try existing().claimed
        if let unlocker = claimed.unlocker {
            return [
                KeystoreUnlocker(
                    id: KeystorePayload.firstSlot, kind: unlocker.kind.rawValue,
                    keyFile: unlocker.keyFile)
            ]
        }
        return (claimed.slots ?? []).map {
            KeystoreUnlocker(
                id: $0.id, kind: $0.unlocker.kind.rawValue, keyFile: $0.unlocker.keyFile)
        }
    }

    /// Adds a way in, and gives its id; a key file is made if it is missing. Throws `.locked`, also
    /// for a passphrase that is too short; `.refused` if there are too many; `.io`.
    @discardableResult
    public func addUnlocker(_ unlocker: Unlocker) throws(KeyError) -> Int {
        let (present, presentKind) = try presentSecret()
        let secret = try newSecret(unlocker)
        let description = try describe(unlocker)
        return try changeSlots(present, presentKind) { (payload, root, _) throws(KeyError) in
            try payload.add(root, secret, description, entropy)
        }
    }

    /// Adds a recovery key, and gives its text, which is kept nowhere. Throws as `addUnlocker`.
    public func addRecoveryKey() throws(KeyError) -> (id: Int, text: String) {
        let (present, presentKind) = try presentSecret()
        let key = try withCrypto("make a recovery key") { () throws(CryptoError) in
            try SecretBytes.random(count: RecoveryKey.length, from: entropy)
        }
        let text = try withCrypto("make a recovery key") { () throws(CryptoError) in
            try RecoveryKey.text(key)
        }
        let description = try describe(.recoveryKeyFile(""))
        let id = try changeSlots(present, presentKind) { (payload, root, _) throws(KeyError) in
            try payload.add(root, key, description, entropy)
        }
        return (id, text)
    }

    /// Takes a way in away. Throws `.refused` if it is the last, the one that opened the keystore
    /// just now, or none; `.locked`, `.io`. A copy of the file from before still opens with it.
    public func removeUnlocker(_ id: Int) throws(KeyError) {
        let known = try unlockers()
        guard known.contains(where: { $0.id == id }) else {
            throw KeyError(.refused, "keystore \(path) has no unlocker \(id)")
        }
        guard known.count > 1 else {
            throw KeyError(
                .refused, "unlocker \(id) is the last of keystore \(path): add another one first")
        }
        let (present, presentKind) = try presentSecret()
        try changeSlots(present, presentKind) { (payload, _, opener) throws(KeyError) in
            guard opener != id else {
                throw KeyError(
                    .refused,
                    "unlocker \(id) is the one that opened keystore \(path) now: open it with"
                        + " another one, so that it is known to work")
            }
            payload.slots?.removeAll { $0.id == id }
        }
    }

    /// Changes the passphrase: that of the slot it opened, else (opened by a key file or a recovery
    /// key) the only one there is, or a new one. Throws as `addUnlocker`; `.refused` if there are
    /// several and it is not known which is meant.
    public func changePassphrase(to unlocker: Unlocker) throws(KeyError) {
        let (present, presentKind) = try presentSecret()
        let secret = try newSecret(unlocker)
        let description = try describe(unlocker)
        try changeSlots(present, presentKind) { (payload, root, opener) throws(KeyError) in
            let passphrases = (payload.slots ?? []).filter { $0.unlocker.kind.isPassphrase }
                .map(\.id)
            let meant = passphrases.contains(opener) ? opener : passphrases.first
            guard passphrases.contains(opener) || passphrases.count < 2 else {
                throw KeyError(
                    .refused,
                    "keystore \(path) has several passphrases: open it with the one to be changed")
            }
            if let meant { payload.slots?.removeAll { $0.id == meant } }
            _ = try payload.add(root, secret, description, entropy)
        }
    }

    private func existing() throws(KeyError) -> Keystore.Found {
        guard let found = try keystore.read() else {
            throw KeyError(
                .notActivated,
                "there is no keystore \(path); make it (`OpenKmsService`) or name the right one")
        }
        return found
    }

    /// Asked before the lock is taken: another process must not wait for a person.
    private func presentSecret() throws(KeyError) -> (SecretBox, UnlockerKind) {
        let found = try existing()
        let given = state.withLock { $0.unlocker }
        let unlocker = try Self.unlocker(given, for: found, keystore: path)
        let secret = try Passphrase.get(from: unlocker, keystore: path, confirm: false)
        // Known to be right before anything is asked or made.
        _ = try found.unlock(with: secret, as: unlocker.kind)
        return (SecretBox(secret), unlocker.kind)
    }

    private func newSecret(_ unlocker: Unlocker) throws(KeyError) -> SecretBytes {
        if case .keyFile(let file) = unlocker {
            _ = try keystore.withLock { () throws(KeyError) in
                try KeyFile.createIfMissing(file, entropy: entropy)
            }
        }
        let secret = try Passphrase.get(from: unlocker, keystore: path, confirm: true)
        if unlocker.kind.isPassphrase { try Passphrase.demandStrength(of: secret) }
        return secret
    }

    /// `body` gets the payload as it is now, in version 2, the root key, and the slot that opened
    /// the keystore.
    private func changeSlots<R>(
        _ secret: SecretBox, _ kind: UnlockerKind,
        _ body: (inout KeystorePayload, borrowing SecretBytes, Int) throws(KeyError) -> R
    ) throws(KeyError) -> R {
        try keystore.withLock { () throws(KeyError) -> R in
            let found = try existing()
            let opened = try found.opened(with: secret.bytes, as: kind)
            var payload = try found.verified(by: opened.keys)
            let (keys, opener) = (opened.keys, opened.slot)
            guard let root = opened.takeRoot() else {
                let root = try withCrypto("make a keystore's key") { () throws(CryptoError) in
                    try SecretBytes.random(count: KeystoreKeys.rootLength, from: entropy)
                }
                let newKeys = try payload.upgrade(
                    root, from: keys, secret.bytes, entropy: entropy)
                return try finish(&payload, newKeys, root, opener, body)
            }
            return try finish(&payload, keys, root, opener, body)
        }
    }

    private func finish<R>(
        _ payload: inout KeystorePayload, _ keys: KeystoreKeys, _ root: borrowing SecretBytes,
        _ opener: Int,
        _ body: (inout KeystorePayload, borrowing SecretBytes, Int) throws(KeyError) -> R
    ) throws(KeyError) -> R {
        let result = try body(&payload, root, opener)
        try keystore.write(payload, keys: keys)
        state.withLock { $0.keys = keys }
        return result
    }
}

/// A secret that two closures share.
private final class SecretBox: Sendable {
    let bytes: SecretBytes

    init(_ bytes: consuming SecretBytes) { self.bytes = bytes }
}

extension KeystorePayload {
    fileprivate mutating func add(
        _ root: borrowing SecretBytes, _ secret: borrowing SecretBytes,
        _ unlocker: UnlockerDescription, _ entropy: any Entropy
    ) throws(KeyError) -> Int {
        var slots = slots ?? []
        guard slots.count < KeystoreSlot.mostSlots else {
            throw KeyError(
                .refused, "a keystore has at most \(KeystoreSlot.mostSlots) unlockers: remove one")
        }
        let id = nextSlot ?? Self.firstSlot
        nextSlot = id + 1
        slots.append(
            try KeystoreSlot.sealing(root, id: id, with: secret, unlocker, entropy: entropy))
        self.slots = slots
        return id
    }

    /// To version 2, under a root key that is new: the secret of the one unlocker so far opens its
    /// first slot. Gives the new keys.
    fileprivate mutating func upgrade(
        _ root: borrowing SecretBytes, from keys: KeystoreKeys, _ secret: borrowing SecretBytes,
        entropy: any Entropy
    ) throws(KeyError) -> KeystoreKeys {
        guard let unlocker else { throw KeyError(.io, "a keystore without an unlocker") }
        let new: KeystoreKeys
        do throws(CryptoError) {
            let salt = try entropy.bytes(32)
            self.salt = HexBytes(salt)
            new = try KeystoreKeys(root: root, salt: salt, version: 2)
            var sealed: [SealedMasterKey] = []
            for record in self.keys {
                sealed.append(try keys.reseal(record, for: new, entropy: entropy))
            }
            self.keys = sealed
        } catch {
            throw KeyError.crypto(error, "seal the CMKs of a keystore anew")
        }
        self.unlocker = nil
        version += 1
        _ = try add(root, secret, unlocker, entropy)
        return new
    }
}
