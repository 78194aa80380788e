import DiskEngine

/// `status.json`: the state of the mount and its store.
struct StatusDocument: Encodable {
    let store: String
    let mountPoint: String
    let pid: Int32
    let version: String
    let readOnly: Bool
    let requiresEncryption: Bool
    let identity: StoreIdentity
    /// How the daemon's memory and process are protected.
    let hardening: [String: String]
    /// Whether the store's freshness is anchored outside it: `unanchored`, `anchored`, `strict`.
    let freshness: String
    /// The anchor, if there is one.
    let anchor: Anchor?
    /// Open handles by disk or snapshot id; those with none are left out.
    let openHandles: [String: Int]
    let engine: StoreStatus

    struct Anchor: Encodable {
        let place: String
        /// There was none when the store was opened: the store was trusted as it was.
        let isFirstUse: Bool
        /// Why it could not be written when that was last tried.
        let failure: String?
    }

    init(
        _ facts: MountFacts, identity: StoreIdentity, opens: OpenTable, freshness: FreshnessStatus,
        engine: StoreStatus
    ) {
        store = facts.store
        mountPoint = facts.mountPoint
        pid = facts.pid
        version = facts.version
        readOnly = facts.isReadOnly
        requiresEncryption = facts.requiresEncryption
        self.identity = identity
        hardening = facts.hardening
        self.freshness = freshness.kind.rawValue
        anchor = freshness.place.map {
            Anchor(place: $0, isFirstUse: freshness.isFirstUse, failure: freshness.failure)
        }
        var handles: [String: Int] = [:]
        for (resource, count) in opens.counts {
            switch resource {
            case .disk(let id): handles[id.text] = count
            case .snapshot(let id): handles[id.text] = count
            }
        }
        openHandles = handles
        self.engine = engine
    }
}
