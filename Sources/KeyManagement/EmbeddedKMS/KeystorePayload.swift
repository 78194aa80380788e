import CryptoPrimitives

/// What a keystore holds, in the clear: which accounts are activated, how it is unlocked, and the
/// CMKs, each sealed under the keystore's key.
struct KeystorePayload: Codable, Sendable, Equatable {
    static let type = "sealdisk-keystore"
    static let version = 1

    let type: String
    let version: Int
    let unlocker: UnlockerDescription
    var accounts: [String]
    var keys: [SealedMasterKey]

    init(unlocker: UnlockerDescription) {
        type = Self.type
        version = Self.version
        self.unlocker = unlocker
        accounts = []
        keys = []
    }

    /// The CMK of an account and region: there is at most one.
    func key(account: String, region: String) -> SealedMasterKey? {
        keys.first { $0.account == account && $0.region == region }
    }
}

/// How the keystore's key comes about.
struct UnlockerDescription: Codable, Sendable, Equatable {
    let kind: UnlockerKind
    /// Where the key file was, so that later runs need not name it. A passphrase command is not
    /// kept: nothing that is run shall come out of a file.
    let keyFile: String?
    /// For the passphrase kinds.
    let scrypt: ScryptCost?
    /// Random, 32 bytes; new with each keystore.
    let salt: HexBytes
}

/// A CMK under the keystore's key.
struct SealedMasterKey: Codable, Sendable, Equatable {
    let keyID: String
    let alias: String
    let account: String
    let region: String
    let created: Timestamp
    /// A `SealedKey`, bound to all of the above.
    let sealed: HexBytes

    var description: KeyDescription {
        KeyDescription(
            keyID: keyID, alias: alias, account: account, region: region, created: created)
    }
}
