import CryptoPrimitives
import Glibc

/// The keystore's file: read without trust, verified under its own key, replaced atomically.
///
/// It is a JSON object `{"check": hex, "mac": hex, "payload": text}`. `payload` is JSON within a
/// text, so that the MAC (HMAC-SHA-256) covers exact bytes. `check` needs no MAC: it has one right
/// value for the payload's salt and the passphrase.
struct Keystore: Sendable {
    static let maximumLength = 1 << 20

    let path: String

    fileprivate struct Envelope: Codable {
        let check: HexBytes
        let mac: HexBytes
        let payload: String
    }

    /// The file as it was found. What it says may be anyone's words until `verified`.
    struct Found: Sendable {
        /// Unverified: for what is shown or needed before unlocking.
        let claimed: KeystorePayload
        private let envelope: Envelope
        private let path: String

        fileprivate init(claimed: KeystorePayload, envelope: Envelope, path: String) {
            self.claimed = claimed
            self.envelope = envelope
            self.path = path
        }

        /// The keys of a keystore of version 1, which come from the secret itself.
        func unlockFirstVersion(
            with secret: borrowing SecretBytes
        ) throws(KeyError) -> KeystoreKeys {
            guard let unlocker = claimed.unlocker else {
                throw KeyError(.io, "keystore \(path) has no unlocker; it was damaged")
            }
            let keys = try withCrypto("derive the key of keystore \(path)") {
                () throws(CryptoError) in
                try KeystoreKeys(secret: secret, unlocker)
            }
            guard belongs(to: keys) else { throw wrong(unlocker.kind) }
            return keys
        }

        func wrong(_ kind: UnlockerKind) -> KeyError {
            KeyError(
                .locked, "wrong \(kind.words) for keystore \(path) (or the file was altered)")
        }

        /// Whether these are the file's keys, unless it was altered.
        func belongs(to keys: KeystoreKeys) -> Bool {
            constantTimeEqual(keys.check, envelope.check.bytes)
        }

        /// The payload, once it is known to be what a holder of these keys wrote.
        func verified(by keys: KeystoreKeys) throws(KeyError) -> KeystorePayload {
            let mac = try withCrypto("verify keystore \(path)") { () throws(CryptoError) in
                try keys.authenticate(Array(envelope.payload.utf8))
            }
            guard belongs(to: keys) else {
                throw KeyError(
                    .locked,
                    "the unlockers of keystore \(path) were just changed (or the file was altered):"
                        + " repeat it")
            }
            guard constantTimeEqual(mac, envelope.mac.bytes) else {
                throw KeyError(
                    .io, "keystore \(path) was altered or damaged; restore it from a copy")
            }
            return claimed
        }
    }

    /// nil if there is no such file. Throws `.io`.
    func read() throws(KeyError) -> Found? {
        guard let bytes = try HostFile.read(path, limit: Self.maximumLength) else { return nil }
        return try decoded(bytes)
    }

    /// What the file's bytes say. Throws `.io`.
    func decoded(_ bytes: [UInt8]) throws(KeyError) -> Found {
        let what = "keystore \(path)"
        let envelope = try JSONCoding.decode(Envelope.self, from: bytes, what)
        let payload = try JSONCoding.decode(
            KeystorePayload.self, from: Array(envelope.payload.utf8), what)
        guard payload.type == KeystorePayload.type,
            KeystorePayload.versions.contains(payload.version)
        else {
            throw KeyError(
                .io,
                "\(what) has version \(payload.version), this program knows up to"
                    + " \(KeystorePayload.versions.upperBound); use the program that wrote it")
        }
        guard payload.isAcceptable else {
            throw KeyError(
                .io, "\(what) asks for an unlocking this program does not do; it was damaged")
        }
        return Found(claimed: payload, envelope: envelope, path: path)
    }

    /// Writes the file. Call within `withLock`, with a payload made from what was read in there.
    func write(_ payload: KeystorePayload, keys: KeystoreKeys) throws(KeyError) {
        try HostFile.replace(path, with: encoded(payload, keys: keys))
    }

    /// The file's bytes. Throws `.io` if they are too many.
    func encoded(_ payload: KeystorePayload, keys: KeystoreKeys) throws(KeyError) -> [UInt8] {
        let what = "keystore \(path)"
        let text = try JSONCoding.encode(payload, what)
        let mac = try withCrypto("authenticate \(what)") { () throws(CryptoError) in
            try keys.authenticate(text)
        }
        let envelope = Envelope(
            check: HexBytes(keys.check), mac: HexBytes(mac),
            payload: String(decoding: text, as: UTF8.self))
        let bytes = try JSONCoding.encode(envelope, what) + [UInt8(ascii: "\n")]
        guard bytes.count <= Self.maximumLength else {
            throw KeyError(.io, "\(what) is full: it would exceed \(Self.maximumLength) bytes")
        }
        return bytes
    }

    /// One process and thread at a time: reads and changes the keystore with nobody in between.
    /// The lock is a file of its own that is never replaced; the keystore's own inode changes.
    func withLock<R>(_ body: () throws(KeyError) -> R) throws(KeyError) -> R {
        let file = try HostFile.openForWriting(path + ".lock", O_RDWR)
        try file.lock()
        let result = try body()
        // The lock ends with the file, which has to live until here.
        _ = consume file
        return result
    }
}
