import CryptoPrimitives

/// What a keystore holds, in the clear: which accounts are activated, how it is unlocked, and the
/// CMKs, each sealed under the keystore's key.
struct KeystorePayload: Codable, Sendable, Equatable {
    static let type = "sealdisk-keystore"
    static let versions = 1...4
    /// The id of the one unlocker of version 1.
    static let firstSlot = 1

    let type: String
    /// Made as 1; the first change of the unlockers makes it 2. With the first rotation of a CMK 1
    /// becomes 3 and 2 becomes 4, which are those with CMKs of several versions.
    var version: Int
    /// Of versions 1 and 3: the one whose secret the keys come from.
    var unlocker: UnlockerDescription?
    /// Of versions 2 and 4: each holds the root key that the keys come from.
    var slots: [KeystoreSlot]?
    /// Of versions 2 and 4: the id of the next slot.
    var nextSlot: Int?
    /// Of versions 2 and 4: for the keys that come from the root key; 32 random bytes.
    var salt: HexBytes?
    var accounts: [String]
    var keys: [SealedMasterKey]

    init(unlocker: UnlockerDescription) {
        type = Self.type
        version = Self.versions.lowerBound
        self.unlocker = unlocker
        accounts = []
        keys = []
    }

    /// The ways in, in the order they were added.
    var unlockers: [UnlockerDescription] {
        unlocker.map { [$0] } ?? (slots ?? []).map(\.unlocker)
    }

    /// Whether what this version has is there, and nothing that would cost without end.
    var isAcceptable: Bool {
        guard unlockers.allSatisfy(\.isAcceptable),
            keys.allSatisfy({ $0.isAcceptable && (isRotated || $0.version == nil) })
        else { return false }
        guard version.isMultiple(of: 2) else {
            return unlocker != nil && slots == nil && salt == nil
        }
        let ids = (slots ?? []).map(\.id)
        return unlocker == nil && salt?.bytes.count == 32 && !ids.isEmpty
            && ids.count <= KeystoreSlot.mostSlots && Set(ids).count == ids.count
            && ids.allSatisfy { $0 >= Self.firstSlot && $0 < nextSlot ?? 0 }
            && (nextSlot ?? 0) <= Int(Int32.max)
    }

    /// Whether CMKs may have several versions.
    private var isRotated: Bool { version > 2 }

    /// Of whoever puts the first CMK of several versions in.
    mutating func becomeRotated() { if !isRotated { version += 2 } }

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
    /// Random, 32 bytes; new with each.
    let salt: HexBytes

    fileprivate var isAcceptable: Bool {
        guard salt.bytes.count == 32 else { return false }
        return kind.isPassphrase ? scrypt?.isAcceptable ?? false : scrypt == nil
    }
}

/// A CMK under the keystore's key.
struct SealedMasterKey: Codable, Sendable, Equatable {
    let keyID: String
    let alias: String
    let account: String
    let region: String
    let created: Timestamp
    /// A `SealedKey`, bound to all of the above, and to `version` if there is one.
    let sealed: HexBytes
    /// Of the material in `sealed`; nil: 1, it was never rotated.
    var version: UInt32?
    /// When that was made, if it was rotated.
    var rotated: Timestamp?
    /// The material before.
    var older: [SealedMaterial]?

    static let mostVersions: UInt32 = 1000

    var newestVersion: UInt32 { version ?? 1 }

    fileprivate var isAcceptable: Bool {
        let count = UInt32(clamping: older?.count ?? 0)
        return (1...Self.mostVersions).contains(newestVersion) && count == newestVersion - 1
            && (older ?? []).enumerated().allSatisfy { $1.version == UInt32($0) + 1 }
    }

    var description: KeyDescription {
        KeyDescription(
            keyID: keyID, alias: alias, account: account, region: region, created: created,
            version: newestVersion)
    }
}

/// Material of a CMK that was rotated, kept so that what it wrapped still unwraps.
struct SealedMaterial: Codable, Sendable, Equatable {
    let version: UInt32
    let sealed: HexBytes
}
