import CryptoPrimitives

@testable import KeyManagement

extension FuzzTarget {
    private static let store = Keystore(path: "keystore")

    /// The keystore's file. One that a key file opens is written again under that key; what scrypt
    /// would cost is bounded by `ScryptCost.isAcceptable`, and not spent here.
    static let keystore = FuzzTarget("keystore") {
        let kinds: [(UnlockerKind, ScryptCost?)] = [
            (.keyFile, nil), (.passphrase, ScryptCost(n: 16, r: 1, p: 1)),
        ]
        return try kinds.map { kind, cost in
            var payload = KeystorePayload(
                unlocker: UnlockerDescription(
                    kind: kind, keyFile: cost == nil ? "key" : nil, scrypt: cost,
                    salt: HexBytes(Example.salt)))
            payload.accounts = ["1"]
            payload.keys = [
                SealedMasterKey(
                    keyID: "k", alias: MasterKey.alias, account: "1", region: "r",
                    created: Timestamp(seconds: 1_700_000_000), sealed: HexBytes(Example.salt))
            ]
            return try store.encoded(payload, keys: keys(of: payload))
        }
    } run: { bytes in
        let found = try store.decoded(bytes)
        let payload = found.claimed
        guard payload.unlocker?.kind == .keyFile else { return }
        requireSame(payload) {
            let keys = try keys(of: payload)
            let again = try store.encoded(payload, keys: keys)
            return try store.decoded(again).verified(by: keys)
        }
    }

    private static func keys(of payload: KeystorePayload) throws -> KeystoreKeys {
        let secret = try SecretBytes(count: 32) { $0.copyBytes(from: Example.salt) }
        guard let unlocker = payload.unlocker else { throw KeyError(.io, "no unlocker") }
        return try KeystoreKeys(secret: secret, unlocker)
    }

    static let wrappedKey = FuzzTarget("wrapped-key") {
        [try JSONCoding.encode(WrappedKey(keyID: "k-1", bytes: Example.salt), "a key")]
    } run: { bytes in
        let key = try JSONCoding.decode(WrappedKey.self, from: bytes, "a key")
        requireSame(key) {
            try JSONCoding.decode(
                WrappedKey.self, from: JSONCoding.encode(key, "a key"), "a key")
        }
    }

    /// The times in a keystore. (The log of key uses is only written.)
    static let timestamp = FuzzTarget("timestamp") {
        ["2026-11-23T22:00:00Z", "0000-02-29T00:00:00Z"].map { Array($0.utf8) }
    } run: { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        guard let time = Timestamp(text) else { return }
        require(time.description == text, "another text stands for the same moment")
    }
}
