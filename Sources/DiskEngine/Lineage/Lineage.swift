import ChunkStore
import CryptoPrimitives
import DiskFormat
import Scheduling
import Synchronization

/// A lineage whose key is in memory: what its disks and snapshots share. It exists while one of
/// them is attached or being worked on; its end wipes the key and every cipher.
final class Lineage: @unchecked Sendable {
    // @unchecked: `manifest` and `version` are accessed under `monitor`, `owners` under
    // `tableMonitor`; the rest is constant.
    let id: LineageID
    let keys: LineageKeys
    let store: SealedStore
    let environment: Environment
    let limits: Limits
    let runs: RunPool
    let chunks: ChunkTable
    let budget: ChunkBudget
    let space: LineageSpace
    let spares: SpareChunks
    /// nil: the store has no freshness anchor.
    let freshness: FreshnessKeeper?
    private let monitor: Monitor
    private var manifest: LineageManifest
    private var version: UInt64
    /// A leaf, held for moments: looking up an owner must not wait while a manifest is written.
    private let tableMonitor: Monitor
    private var owners: SessionTable
    private let fenced = Atomic(false)

    init(
        keys: LineageKeys, manifest: LineageManifest, version: UInt64, store: SealedStore,
        environment: Environment, limits: Limits, budget: ChunkBudget, memory: MapMemory,
        freshness: FreshnessKeeper? = nil
    ) {
        id = keys.lineage
        self.keys = keys
        self.manifest = manifest
        self.version = version
        self.store = store
        self.environment = environment
        self.limits = limits
        self.budget = budget
        self.freshness = freshness
        space = LineageSpace(memory: memory)
        spares = SpareChunks(threads: environment.threads)
        runs = RunPool(threads: environment.threads)
        chunks = ChunkTable(budget: budget, threads: environment.threads)
        monitor = environment.threads.makeMonitor()
        tableMonitor = environment.threads.makeMonitor()
        owners = SessionTable(manifest.sessions)
    }

    var isEncrypted: Bool { keys.suite != .plain }

    /// Whether its key is not to be used any more, though it is here still.
    var isFenced: Bool { fenced.load(ordering: .relaxed) }
    func fence() { fenced.store(true, ordering: .relaxed) }

    func checkNotFenced(_ code: DiskError.Code = .keyRequired) throws {
        guard isFenced else { return }
        throw DiskError(
            code,
            "lineage \(id): its customer master key was disabled, and its keys are out of use;"
                + " close what is open of its disks and snapshots, and attach again when it is"
                + " enabled")
    }

    var keyID: String? { monitor.withLock { manifest.key.keyID } }

    /// Of the manifest that the store has durably.
    var versionInStore: UInt64 { monitor.withLock { version } }

    func withManifest<R>(_ body: (LineageManifest) -> R) -> R {
        monitor.withLock { body(manifest) }
    }

    /// Who owns which chunk number, at this moment.
    var table: SessionTable { tableMonitor.withLock { owners } }

    /// Changes the lineage's manifest, durably: in memory only once the store has it.
    /// The store's calls are made under this monitor on purpose: it guards nothing on a data path.
    /// `isSelfContained` as `SealedStore.replaceManifest` has it.
    func update<R>(
        isSelfContained: Bool = false, _ change: (inout LineageManifest) throws -> R
    ) throws -> R {
        try monitor.withLock {
            var changed = manifest
            let result = try change(&changed)
            let sealed = try changed.sealed(version: version + 1, with: keys)
            try store.replaceManifest(
                StoreLayout.lineageManifest(id), with: sealed, isSelfContained: isSelfContained)
            manifest = changed
            version += 1
            tableMonitor.withLock { owners = SessionTable(changed.sessions) }
            return result
        }
    }

    /// A lane for a new disk, and the sequence its chunks begin at. `giveBack` undoes it.
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

    /// A lane that was taken for a disk that did not come to be.
    func giveBack(_ lane: UInt16, nextSequence: UInt32) throws {
        try update { manifest in
            manifest.freeLanes.removeAll { $0.lane == lane }
            manifest.freeLanes.append(.init(lane: lane, nextSequence: nextSequence))
        }
    }
}
