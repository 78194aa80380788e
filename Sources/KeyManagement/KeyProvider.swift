import CryptoPrimitives

/// Where data keys come from and go back to: they enter and leave wrapped under a customer master
/// key (CMK) that the provider never gives out. Wrapping binds the key to its context, so a wrapped
/// key that is moved to another store, lineage or epoch does not unwrap.
///
/// Every call is one metered use, written to the provider's key-use log whatever its outcome.
public protocol KeyProvider: Sendable {
    /// A fresh random 256-bit data key, in the clear and wrapped under the CMK. Creates the CMK of
    /// this account and region if there is none yet. Throws `.notActivated`, `.locked`, `.io`.
    func generateDataKey(context: KeyContext, use: KeyUse) throws(KeyError) -> GeneratedDataKey

    /// The data key inside `wrapped`. Throws `.refused` if it was not wrapped by this provider for
    /// this very context, `.notActivated`, `.unknownKey`, `.locked`, `.io`.
    func unwrap(_ wrapped: WrappedKey, context: KeyContext, use: KeyUse) throws(KeyError)
        -> SecretBytes

    /// The same data key under the newest version of the CMK; `wrapped` itself if it is already.
    /// Throws as `unwrap`.
    func rewrap(_ wrapped: WrappedKey, context: KeyContext, use: KeyUse) throws(KeyError)
        -> WrappedKey

    /// What can be told of the CMK without using it, or nil if none was made yet.
    /// Throws `.notActivated`, `.io`.
    func describe(use: KeyUse) throws(KeyError) -> KeyDescription?

    /// An entry in the key-use log of something that was decided and needs no key
    /// (`AcceptRollback`); also while the service is not activated. When this returns it is
    /// durable. Throws `.io`.
    func note(_ use: KeyUse) throws(KeyError)

    /// Whether the service was activated; asked without being metered.
    var isActivated: Bool { get throws(KeyError) }
}

/// The encryption context that a wrapped key is bound to (its associated data).
public struct KeyContext: Sendable, Hashable, Codable {
    public let store: String
    public let lineage: String
    public let epoch: UInt32
    public let format: UInt16

    public init(store: String, lineage: String, epoch: UInt32, format: UInt16) {
        self.store = store
        self.lineage = lineage
        self.epoch = epoch
        self.format = format
    }
}

/// Why a key is used: the action, in ECS words (`AttachDisk`), and the resource it is for (`d-…`).
public struct KeyUse: Sendable, Hashable {
    public let action: String
    public let resource: String

    public init(action: String, resource: String) {
        self.action = action
        self.resource = resource
    }
}

/// A data key under a CMK: opaque bytes, safe to store anywhere.
public struct WrappedKey: Sendable, Hashable {
    /// The CMK's id, a UUID in lower-case text.
    public let keyID: String
    public let bytes: [UInt8]

    public init(keyID: String, bytes: [UInt8]) {
        self.keyID = keyID
        self.bytes = bytes
    }
}

/// A data key just made. Not copyable: the clear key has one owner, whose end wipes it.
public struct GeneratedDataKey: ~Copyable, Sendable {
    public let wrapped: WrappedKey
    private let key: SecretBytes

    public init(key: consuming SecretBytes, wrapped: WrappedKey) {
        self.key = key
        self.wrapped = wrapped
    }

    /// Hands the clear key over to the caller.
    public consuming func takeKey() -> SecretBytes { key }
}

/// What a provider tells of its CMK (DescribeKey).
public struct KeyDescription: Sendable, Hashable {
    public let keyID: String
    public let alias: String
    public let account: String
    public let region: String
    public let created: Timestamp
    public let state: KeyState
    /// Of the material that new data keys are wrapped under; 1 until it was rotated.
    public let version: UInt32
    /// Who holds the key: `SealDisk`, `HSM`, `Vault`.
    public let origin: String

    public init(
        keyID: String, alias: String, account: String, region: String, created: Timestamp,
        state: KeyState = .enabled, version: UInt32 = 1, origin: String = "SealDisk"
    ) {
        self.state = state
        self.version = version
        self.origin = origin
        self.keyID = keyID
        self.alias = alias
        self.account = account
        self.region = region
        self.created = created
    }
}

/// What a CMK may be used for. Only an enabled one wraps and unwraps.
public enum KeyState: Sendable, Hashable {
    case enabled
    case disabled
    /// Deleted at that time unless its keeper takes it back; until then as if disabled.
    case pendingDeletion(at: Timestamp)
}
