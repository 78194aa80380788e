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
    /// Whether the store's freshness is anchored outside it.
    let anchor: String
    /// Open handles by disk or snapshot id; those with none are left out.
    let openHandles: [String: Int]
    let engine: StoreStatus

    init(_ facts: MountFacts, identity: StoreIdentity, opens: OpenTable, engine: StoreStatus) {
        store = facts.store
        mountPoint = facts.mountPoint
        pid = facts.pid
        version = facts.version
        readOnly = facts.isReadOnly
        requiresEncryption = facts.requiresEncryption
        self.identity = identity
        hardening = facts.hardening
        anchor = "unanchored"
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
