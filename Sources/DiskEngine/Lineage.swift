import ChunkStore
import CryptoPrimitives
import DiskFormat

/// A lineage whose key is in memory: what its disks and snapshots share. It exists while one of
/// them is attached or being worked on; its end wipes the key and every cipher.
final class Lineage: @unchecked Sendable {
    // @unchecked: `manifest` and `version` are accessed under `monitor`; the rest is constant.
    let id: LineageID
    let keys: LineageKeys
    let store: SealedStore
    let environment: Environment
    let limits: Limits
    let runs: RunPool
    let chunks: ChunkTable
    let budget: ChunkBudget
    private let monitor: Monitor
    private var manifest: LineageManifest
    private var version: UInt64

    init(
        keys: LineageKeys, manifest: LineageManifest, version: UInt64, store: SealedStore,
        environment: Environment, limits: Limits, budget: ChunkBudget
    ) {
        id = keys.lineage
        self.keys = keys
        self.manifest = manifest
        self.version = version
        self.store = store
        self.environment = environment
        self.limits = limits
        self.budget = budget
        runs = RunPool(threads: environment.threads)
        chunks = ChunkTable(budget: budget, threads: environment.threads)
        monitor = environment.threads.makeMonitor()
    }

    var isEncrypted: Bool { keys.suite != .plain }
    var keyID: String? { monitor.withLock { manifest.key.keyID } }

    /// A disk's sessions, oldest first.
    func sessions(of disk: DiskID) -> [LineageManifest.Session] {
        monitor.withLock { manifest.sessions.filter { $0.disk == disk } }
    }

    /// The session that owns a chunk: the last of its lane that began at or before it.
    func session(owning chunk: ChunkNumber) -> LineageManifest.Session? {
        monitor.withLock {
            manifest.sessions.last {
                $0.lane == chunk.lane && $0.firstSequence <= chunk.sequence
            }
        }
    }

    /// Changes the lineage's manifest, durably: in memory only once the store has it.
    /// The store's calls are made under this monitor on purpose: it guards nothing on a data path.
    func update<R>(_ change: (inout LineageManifest) throws -> R) throws -> R {
        try monitor.withLock {
            var changed = manifest
            let result = try change(&changed)
            let sealed = try changed.sealed(version: version + 1, with: keys)
            try store.replaceManifest(StoreLayout.lineageManifest(id), with: sealed)
            manifest = changed
            version += 1
            return result
        }
    }

    /// Records a new session of `disk`, with a salt drawn for it. When this returns, the record is
    /// durable: no slot of the session was sealed before.
    func beginSession(
        of disk: DiskID, lane: UInt16, firstSequence: UInt32, previousEnd: LogPosition?
    ) throws -> LineageManifest.Session {
        let salt = try environment.entropy.bytes(LineageKeys.saltSize)
        return try update { manifest in
            let session = LineageManifest.Session(
                number: manifest.nextSession, disk: disk, lane: lane,
                firstSequence: firstSequence, salt: HexBytes(salt), previousEnd: previousEnd)
            manifest.nextSession += 1
            manifest.sessions.append(session)
            return session
        }
    }

    /// A lane for a new disk, and the sequence its chunks begin at.
    func takeLane() throws -> (lane: UInt16, nextSequence: UInt32) {
        try update { manifest in
            if let free = manifest.freeLanes.popLast() {
                return (free.lane, free.nextSequence)
            }
            guard manifest.nextLane <= ChunkNumber.maximumLane else {
                throw DiskError(
                    .limit,
                    "lineage \(id) has had \(ChunkNumber.maximumLane) disks, all it can have;"
                        + " delete clones and let reclamation run, or create a blank disk and copy")
            }
            defer { manifest.nextLane += 1 }
            return (manifest.nextLane, 1)
        }
    }
}
