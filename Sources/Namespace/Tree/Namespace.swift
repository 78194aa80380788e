import ControlPlane
import DiskEngine
import DiskFormat
import Glibc
import KeyManagement
import Logging
import Synchronization

/// The mounted tree as a plain object: what the kernel asks becomes a call here, and no type of
/// FUSE is known. Every call may come from any thread.
///
///     control  import  status.json  metrics  disks/NAME
///     snapshots/NAME  (and NAME.sealed, NAME.json)
///     instances/NAME/vdb …    the files of disks/NAME under other names
///
/// Invariants:
/// - what an open handle does never waits for a control thread, nor for the kernel;
/// - nothing here is held locked while the kernel is told to drop what it caches.
public final class Namespace: Sendable {
    public let facts: MountFacts
    let store: Store
    let inodes: InodeTable
    let opens = OpenTable()
    let clock: ChangeClock
    let desk: ControlDesk
    let intake = ImportDesk()
    let faults: FaultLog
    let now: @Sendable () -> Double
    let mappings: any MappingWriter
    /// When the mount was made: the time its folders show.
    let born: Int64
    let knownDisks = KnownNames<DiskID>()
    let knownSnapshots = KnownNames<SnapshotID>()
    /// Which disks are at which instances, as the control plane last said.
    let instances = Mutex<[NamedInstance]>([])
    let speedLimits = Mutex<[DiskID: SpeedLimit]>([:])
    let delays = DelayedAnswers()
    let counters = Counters()
    let keyCalls = Mutex<(@Sendable () -> [KeyCall: UInt64])?>(nil)
    private let growth = Mutex<(@Sendable (GrownDisk) -> Void)?>(nil)
    private let kernel = Mutex<(any KernelCache)?>(nil)

    /// `now` gives seconds of a clock that is never set. `log` takes what the operator is told,
    /// and must not wait until it is written: it comes from threads that serve the kernel.
    /// `earlier`: what the tree goes on with that served the same mount before.
    public init(
        store: Store, facts: MountFacts, mappings: any MappingWriter,
        continuing earlier: TreeState? = nil,
        now: @escaping @Sendable () -> Double = monotonicSeconds,
        log: Logger
    ) {
        self.store = store
        self.facts = facts
        self.mappings = mappings
        inodes = InodeTable(earlier?.inodes)
        clock = ChangeClock(earlier?.times ?? [:])
        desk = ControlDesk(lastReply: earlier?.lastReply)
        born = earlier?.born ?? ChangeTime.now()
        self.now = now
        faults = FaultLog(now: now, log)
    }

    /// From here on changes are told to the kernel.
    public func attachKernel(_ cache: any KernelCache) {
        kernel.withLock { $0 = cache }
    }

    /// From here on `handler` learns of each attached disk that has grown, however that came.
    public func onGrowth(_ handler: @escaping @Sendable (GrownDisk) -> Void) {
        growth.withLock { $0 = handler }
    }

    func tellGrowth(_ disk: GrownDisk) { growth.withLock { $0 }?(disk) }

    var kernelCache: (any KernelCache)? { kernel.withLock { $0 } }

    /// From here on requests written to `control` go to `handler`, on threads of their own.
    public func openControl(
        _ handler: @escaping @Sendable ([UInt8]) -> ControlAnswer
    ) throws(FileError) {
        try desk.open(handler)
    }

    /// From here on sealed snapshots written to `import` go to `handler`, each on a thread of its
    /// own: it reads the file's bytes, which end with the last frame, and says what became of it.
    public func openImports(
        _ handler: @escaping @Sendable (@escaping SealedSnapshotFile.Source) -> ControlAnswer
    ) { intake.open(handler) }

    /// The store's space, in bytes.
    public func capacity() throws(FileError) -> (total: UInt64, available: UInt64) {
        let capacity = try engine { try store.capacity() }
        return (capacity.total, capacity.available)
    }

    func node(_ inode: UInt64) throws(FileError) -> Node {
        guard let node = inodes.node(inode) else {
            throw FileError(ESTALE, "inode \(inode) is of an earlier attach")
        }
        return node
    }

    /// Whether the caller may open disks, snapshots and `control`.
    func isTrusted(_ caller: Caller) -> Bool {
        caller.user == 0 || caller.user == facts.owner
    }

    func demandTrusted(_ caller: Caller, errno: Int32 = EACCES) throws(FileError) {
        guard isTrusted(caller) else {
            throw FileError(errno, "only user \(facts.owner) and root may do this")
        }
    }

    /// Whether the caller may write to `control` and `import`. Throws EACCES.
    public func checkControl(_ caller: Caller) throws(FileError) { try demandTrusted(caller) }

    /// Runs an engine call whose failure is the caller's to hear.
    func engine<Result>(_ body: () throws -> Result) throws(FileError) -> Result {
        do {
            return try body()
        } catch let error as DiskError {
            throw FileError(error)
        } catch let error as FileError {
            throw error
        } catch {
            throw FileError(EIO, "\(error)")
        }
    }
}
