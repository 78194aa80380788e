/// A key as the transit engine describes it.
struct TransitKey: Decodable {
    let type: String
    let exportable: Bool
    let deletionAllowed: Bool
    let plaintextBackup: Bool
    let isDerived: Bool
    let softDeleted: Bool?
    let latestVersion: UInt32
    let versions: [String: TransitVersion]

    private enum CodingKeys: String, CodingKey {
        case type, exportable
        case deletionAllowed = "deletion_allowed"
        case plaintextBackup = "allow_plaintext_backup"
        case isDerived = "derived"
        case softDeleted = "soft_deleted"
        case latestVersion = "latest_version"
        case versions = "keys"
    }

    /// Of the oldest version there is, seconds since 1970.
    var created: Int64 {
        versions.min { (Int($0.key) ?? 0) < (Int($1.key) ?? 0) }?.value.created ?? 0
    }

    /// Whether nobody can take it out of the server.
    var staysInside: Bool { !exportable && !plaintextBackup }
}

/// When a version was made: symmetric keys tell a number, others an object.
struct TransitVersion: Decodable {
    let created: Int64

    init(from decoder: any Decoder) throws {
        created = (try? decoder.singleValueContainer().decode(Int64.self)) ?? 0
    }
}

struct TransitCiphertext: Decodable { let ciphertext: String }

/// What every good reply has around it.
struct TransitReply<Content: Decodable>: Decodable { let data: Content }

/// What every bad one has.
struct TransitErrors: Decodable { let errors: [String] }
