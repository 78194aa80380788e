import ChunkStore
import DiskEngine
import KeyManagement

/// `status.json`: the state of the mount and its store.
struct StatusDocument: Encodable {
    let store: String
    let mountPoint: String
    let pid: Int32
    let version: String
    let readOnly: Bool
    let requiresEncryption: Bool
    /// Whether every disk is held to the speed of its category.
    let limitsSpeed: Bool
    /// When the mount was made, UTC.
    let started: String
    let identity: StoreIdentity
    /// How the daemon's memory and process are protected.
    let hardening: [String: String]
    /// Whether the store's freshness is anchored outside it: `unanchored`, `anchored`, `strict`.
    let freshness: String
    /// The anchor, if there is one.
    let anchor: Anchor?
    /// Open handles by disk or snapshot id; those with none are left out.
    let openHandles: [String: Int]
    /// Names of the attached disks, by id.
    let names: [String: String]
    /// Space of the medium under the store; absent if it does not say.
    let capacity: Capacity?
    /// Of a store on other machines: what waits for it, and what it was asked.
    let backend: BackendReport?
    let engine: StoreStatus

    /// Bytes.
    struct Capacity: Encodable {
        let total: UInt64
        let available: UInt64
    }

    struct Anchor: Encodable {
        let place: String
        /// There was none when the store was opened: the store was trusted as it was.
        let isFirstUse: Bool
        /// Why it could not be written when that was last tried.
        let failure: String?
    }

    init(
        _ facts: MountFacts, started: Timestamp, store: Store, opens: OpenTable,
        names: [String: String]
    ) {
        let freshness = store.freshnessStatus
        self.store = facts.store
        self.started = "\(started)"
        limitsSpeed = facts.limitsSpeed
        self.names = names
        capacity = (try? store.capacity()).map {
            Capacity(total: $0.total, available: $0.available)
        }
        backend = store.backendReport
        mountPoint = facts.mountPoint
        pid = facts.pid
        version = facts.version
        readOnly = facts.isReadOnly
        requiresEncryption = facts.requiresEncryption
        identity = store.identity
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
        engine = store.status()
    }
}
