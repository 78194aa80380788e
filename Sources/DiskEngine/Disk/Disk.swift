import DiskFormat
import Scheduling
import Synchronization

/// An attached disk. It behaves like an NVMe drive with a volatile write cache: a write that has
/// returned is seen by every later read and survives the death of this process; it survives power
/// loss once a later `flush` has returned.
///
/// Every operation plans and commits under `monitor` and performs its I/O and cryptography without
/// it. `checkpointing` is the right to change `manifest` and to take a cut.
public final class Disk: @unchecked Sendable {
    // @unchecked: all that changes (log, map, claims and the fields below) is accessed under
    // `monitor`; manifest and manifestVersion by whoever holds `isCheckpointing`.
    public let id: DiskID
    let lineage: Lineage
    let monitor: Monitor
    let log: Log
    let reader: MapReader
    let layout: ChunkLayout
    /// Whether it takes the blocks of a snapshot that is on its way in, and is nobody's disk.
    let takesImport: Bool
    var claims = Claims()
    /// Its size; `size` says the same to who has not the lock.
    var bytes: UInt64 {
        didSet { shownBytes.store(bytes, ordering: .releasing) }
    }
    private let shownBytes: Atomic<UInt64>
    var manifest: DiskManifest
    var manifestVersion: UInt64
    /// Where the log of the sessions before this one ends; nil if the disk never wrote.
    let previousEnd: LogPosition?
    /// The last of those sessions; nil likewise.
    let sessionBefore: SessionStamp?
    /// Operations under way; a detach waits for them.
    var operations = 0
    var isClosing = false
    var isCheckpointing = false
    /// The reason for the next background checkpoint, and what became of the last that failed.
    var wantsCheckpoint = false
    var checkpointFailure: DiskError?
    let supply = ChunkSupply()
    var helpers: [any RunningThread] = []
    /// Of the last checkpoint in the log, whether or not the manifest names it.
    var generation: UInt64
    /// Called under the lock when enough slots have died for a pass of reclamation.
    var onDeaths: @Sendable () -> Void = {}
    /// Called without the lock when there is no space for data: whether any could be found.
    var onShortage: @Sendable () -> Bool = { false }
    /// How far the log of the sessions before this one is in the map, while it is being replayed:
    /// where a cut lies then. nil: all of it is.
    var replayedTo: LogPosition?
    /// What reads have found since it was attached.
    var damage = FoundDamage()
    /// What it has done, for who watches.
    var work = DiskWork()

    var map: MapTree { reader.tree }
    /// Dirty map pages at which a checkpoint starts: what there is for each disk at this moment.
    var dirtyLimit: Int { map.memory.dirtyShare }

    init(
        recovered: RecoveredDisk, manifest: DiskManifest, version: UInt64, lineage: Lineage
    ) {
        id = manifest.id
        self.lineage = lineage
        self.manifest = manifest
        takesImport = manifest.incoming != nil
        manifestVersion = version
        monitor = recovered.reader.monitor
        log = Log()
        bytes = recovered.size
        shownBytes = Atomic(recovered.size)
        generation = recovered.generation
        previousEnd = recovered.end
        sessionBefore = lineage.sessions(of: manifest.id).last?.stamp
        // Checked when the manifest was decoded.
        layout = ChunkLayout(slotCount: manifest.slotsPerChunk)!
        reader = recovered.reader
    }

    /// Size in bytes. Read on every request before its operation begins, hence without the lock.
    public var size: UInt64 { shownBytes.load(ordering: .acquiring) }
    /// Bytes of blocks that are not holes.
    public var storedBytes: UInt64 {
        monitor.withLock { map.storedBlocks * UInt64(Format.blockSize) }
    }
    public var isEncrypted: Bool { lineage.isEncrypted }

    /// Starts the threads that prepare chunks and take checkpoints. If one cannot be had the disk
    /// is over, with nothing begun that another attach would not find.
    func startHelpers() throws {
        let threads = lineage.environment.threads
        let name = id.text.dropFirst(2).prefix(8)
        do {
            helpers.append(try threads.start(name: "supply \(name)") { self.supplyChunks() })
            helpers.append(
                try threads.start(name: "ckpt \(name)") { self.checkpointInBackground() })
        } catch {
            abandon()
            throw DiskError(.hostLimit, "\(error)", cause: error)
        }
    }

    /// Ends a disk that did not come to be open: whatever its session wrote, the next attach goes
    /// on from there.
    func abandon() {
        monitor.withLock { isClosing = true }
        stopHelpers()
        giveBackUnused()
    }

    func stopHelpers() {
        monitor.withLock {
            supply.isStopping = true
            monitor.announce(.work)
        }
        for helper in helpers { helper.join() }
    }

    /// Runs an operation under the lock, which it releases for its I/O. A detach waits for it, and
    /// once one has begun, throws `.sessionOver`. Throws `.invalid` for a range outside the disk.
    func operation<R>(on offset: UInt64, _ length: UInt64, _ body: () throws -> R) throws -> R {
        monitor.lock()
        defer { monitor.unlock() }
        try checkOpen()
        guard offset <= bytes, length <= bytes - offset else {
            throw DiskError(
                .invalid,
                "disk \(id) ends at byte \(bytes); \(length) bytes from \(offset) do not fit")
        }
        operations += 1
        defer { operationEnded() }
        return try body()
    }

    /// Runs an operation that takes the lock itself, where it needs it.
    func unlockedOperation<R>(_ body: () throws -> R) throws -> R {
        try monitor.withLock {
            try checkOpen()
            operations += 1
        }
        defer { monitor.withLock { operationEnded() } }
        return try body()
    }

    private func checkOpen() throws {
        guard !isClosing else {
            throw DiskError(.sessionOver, "disk \(id) is being detached, or put back to a snapshot")
        }
    }

    private func operationEnded() {
        operations -= 1
        if isClosing { monitor.announce() }
    }

    /// Ends the session with its first failure. Called under the lock.
    func fail(_ error: DiskError) {
        if log.failure == nil { log.failure = error }
        for tell in log.takeAcknowledgements(all: true) { tell(sessionOver(error)) }
        for event in Monitor.Event.allCases { monitor.announce(event) }
    }

    /// Throws if the session is over. Called under the lock.
    func checkAlive() throws {
        if let failure = log.failure { throw sessionOver(failure) }
    }

    func sessionOver(_ failure: DiskError) -> DiskError {
        DiskError(
            .sessionOver,
            "disk \(id) takes no more writes since: \(failure.message); detach it and attach it"
                + " again", cause: failure)
    }

    /// An error met on this disk at a byte offset, with both in its message. Called under the lock.
    func located(_ error: any Error, at offset: UInt64, _ action: String) -> DiskError {
        let cause = DiskError.wrap(error, while: action)
        let located = DiskError(
            cause.code, "\(action) disk \(id) at byte \(offset): \(cause.message)", cause: cause)
        if located.code == .damaged { damage.note(located.message) }
        return located
    }
}
