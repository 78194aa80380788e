import CryptoPrimitives

/// A keystore's root key under what one unlocker's secret gives: one of the ways in.
///
/// The slot's key = HKDF(scrypt(passphrase, …) or HKDF-Extract(key file or recovery key, salt),
/// salt, "sealdisk keystore 2 slot").
struct KeystoreSlot: Codable, Sendable, Equatable {
    /// Each slot costs an attempt at opening; of scrypt, if it is a passphrase's.
    static let mostSlots = 16

    /// Never used again within the keystore.
    let id: Int
    let unlocker: UnlockerDescription
    /// The root key, a `SealedKey`, bound to id and kind.
    let root: HexBytes

    /// Seals the root key. Throws `.io`.
    static func sealing(
        _ root: borrowing SecretBytes, id: Int, with secret: borrowing SecretBytes,
        _ unlocker: UnlockerDescription, entropy: any Entropy
    ) throws(KeyError) -> KeystoreSlot {
        let key = try key(from: secret, unlocker)
        do throws(CryptoError) {
            let sealed = try SealedKey.seal(
                root, under: key, boundTo: associatedData(id, unlocker.kind), entropy: entropy)
            return KeystoreSlot(id: id, unlocker: unlocker, root: HexBytes(sealed))
        } catch {
            throw KeyError.crypto(error, "seal a keystore's key")
        }
    }

    /// The root key; nil if this is not the slot's secret. Throws `.io`.
    func open(with secret: borrowing SecretBytes) throws(KeyError) -> SecretBytes? {
        let key = try Self.key(from: secret, unlocker)
        do throws(CryptoError) {
            return try SealedKey.open(
                root.bytes, under: key, boundTo: Self.associatedData(id, unlocker.kind))
        } catch {
            guard error.code == .authenticationFailed || error.code == .invalidLength else {
                throw KeyError.crypto(error, "open a keystore's key")
            }
            return nil
        }
    }

    private static func key(
        from secret: borrowing SecretBytes, _ unlocker: UnlockerDescription
    ) throws(KeyError) -> AESGCMKey {
        do throws(CryptoError) {
            let stretched = try KeystoreKeys.root(secret, unlocker.scrypt, unlocker.salt.bytes)
            let key = try HKDF.deriveSecret(
                key: stretched, salt: unlocker.salt.bytes,
                info: Array("sealdisk keystore 2 slot".utf8), count: AESGCMKey.keyLength)
            return try AESGCMKey(key, keepsContexts: false)
        } catch {
            throw KeyError.crypto(error, "derive the key of a keystore's slot")
        }
    }

    private static func associatedData(_ id: Int, _ kind: UnlockerKind) -> [UInt8] {
        var data = AssociatedData(label: "sealdisk keystore slot 2")
        data.append(UInt64(id))
        data.append(kind.rawValue)
        return data.bytes
    }
}

extension Keystore {
    /// A keystore that was opened, and by which slot.
    struct Opened: ~Copyable {
        /// Of version 2; in version 1 the keys come from the secret itself.
        let root: SecretBytes?
        let slot: Int
        let keys: KeystoreKeys

        consuming func takeRoot() -> SecretBytes? { root }
    }
}

extension Keystore.Found {
    /// The keys that a passphrase, a recovery key, or a key file's content gives for this keystore.
    /// Throws `.locked` if they are not its keys.
    func unlock(
        with secret: borrowing SecretBytes, as kind: UnlockerKind
    ) throws(KeyError) -> KeystoreKeys {
        try opened(with: secret, as: kind).keys
    }

    /// The same, and which slot it was.
    func opened(
        with secret: borrowing SecretBytes, as kind: UnlockerKind
    ) throws(KeyError) -> Keystore.Opened {
        guard let slots = claimed.slots, let salt = claimed.salt else {
            let keys = try unlockFirstVersion(with: secret)
            return Keystore.Opened(root: nil, slot: KeystorePayload.firstSlot, keys: keys)
        }
        // A recovery key may be typed where a passphrase is asked for.
        let recovery = kind == .keyFile ? nil : try RecoveryKey.decoded(secret)
        let order =
            slots.filter { $0.unlocker.kind == .recoveryKey }
            + slots.filter { $0.unlocker.kind != .recoveryKey }
        for slot in order {
            guard let root = try Self.root(of: slot, secret, recovery, kind) else { continue }
            let keys = try withCrypto("derive the keys of a keystore") { () throws(CryptoError) in
                try KeystoreKeys(root: root, salt: salt.bytes, version: 2)
            }
            return Keystore.Opened(root: root, slot: slot.id, keys: keys)
        }
        throw wrong(kind)
    }

    private static func root(
        of slot: KeystoreSlot, _ secret: borrowing SecretBytes,
        _ recovery: borrowing SecretBytes?, _ kind: UnlockerKind
    ) throws(KeyError) -> SecretBytes? {
        switch slot.unlocker.kind {
        case .recoveryKey:
            switch recovery {
            case .some(let key): return try slot.open(with: key)
            case .none: return nil
            }
        case .keyFile: return kind == .keyFile ? try slot.open(with: secret) : nil
        case .passphrase, .passphraseCommand:
            return kind.isPassphrase ? try slot.open(with: secret) : nil
        }
    }
}
