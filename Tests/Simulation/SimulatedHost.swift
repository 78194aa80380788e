import Glibc

@testable import LocalStore

/// A host in the kernel's place: files, folders, locks and a medium whose power fails when told to.
///
/// A call is counted, gives others the turn, and then happens at once. What it breaks is what a
/// host may break: unsynced writes and names are lost in any part (`SimulatedFile`,
/// `SimulatedNames`) when the power fails; a call may fail, with nothing or half of a write done;
/// after a failed sync nothing is known of what was to be synced.
final class SimulatedHost: HostCalls, @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    typealias Node = SimulatedNames.Node

    struct Handle {
        let node: Node
        let boot: Int
    }

    let scheduler: Scheduler
    let seals: SealRegistry
    var generator: SeededGenerator
    var files: [Node: SimulatedFile] = [:]
    var folders: Set<Node> = [SimulatedNames.root]
    var names = SimulatedNames()
    var handles: [Int32: Handle] = [:]
    var locks: Set<Node> = []
    var lastNode = SimulatedNames.root
    private var lastHandle: Int32 = 100
    /// Seconds by which its clock is wrong.
    var clockError = 0
    /// Pages of the medium.
    let capacity: Int
    /// Calls so far: the host's time.
    var time = 0
    /// Raised at each crash; handles of before are dead.
    private(set) var boot = 0
    private(set) var lastCrash = Crash.kill
    private(set) var kills = 0
    private(set) var powerLosses = 0
    /// Nothing works until the next start.
    private(set) var isDown = false
    var faults = HostFaults()

    init(scheduler: Scheduler, seed: UInt64, capacity: Int, seals: SealRegistry) {
        self.scheduler = scheduler
        self.seals = seals
        self.capacity = capacity
        generator = SeededGenerator(seed: seed)
    }

    /// The same files as they are now, on another host that shares nothing.
    func copy() -> SimulatedHost {
        let other = SimulatedHost(
            scheduler: scheduler, seed: generator.next(), capacity: capacity, seals: seals)
        (other.files, other.folders, other.names) = (files, folders, names)
        (other.lastNode, other.time) = (lastNode, time)
        return other
    }

    enum Crash: Sendable {
        /// The process dies; the host goes on.
        case kill
        case powerLoss
    }

    /// From now on every call fails; `start()` ends that.
    func crash(_ kind: Crash) {
        guard !isDown else { return }
        scheduler.note("\(kind)")
        isDown = true
        lastCrash = kind
        if kind == .kill { kills += 1 } else { powerLosses += 1 }
        boot += 1
        locks = []
        if kind == .powerLoss {
            for node in files.keys.sorted() { files[node]?.losePower(&generator) }
            names.losePower(&generator)
            let kept = names.reachable()
            names.forget(allBut: kept)
            files = files.filter { kept.contains($0.key) }
            folders = folders.filter { kept.contains($0) }
        }
    }

    func start() {
        isDown = false
        faults = HostFaults()
        handles = [:]
        for node in Array(files.keys) { collect(node) }
    }

    // MARK: What every call does first and last

    /// Counts the call, lets others run, and says whether it fails: with which error, and how.
    func begin(_ call: HostCall, _ detail: @autoclosure () -> String) -> HostFaults.Failure? {
        scheduler.point()
        if isDown { return HostFaults.Failure(code: EIO, effect: .none) }
        time += 1
        scheduler.note("\(call) \(detail())")
        guard let failure = faults.meet(call, &generator) else { return nil }
        scheduler.note("  fails: \(String(cString: strerror(failure.code)))")
        return failure
    }

    /// The moment after a call took effect: the power may fail here, before anybody is told.
    func endOfCall(_ result: Int32 = 0) -> Int32 {
        if let crash = faults.crashDue() {
            self.crash(crash)
            return failed(EIO)
        }
        return result
    }

    func failed(_ code: Int32) -> Int32 {
        errno = code
        return -1
    }

    func node(_ handle: Int32) -> Node? {
        guard let found = handles[handle], found.boot == boot else { return nil }
        return found.node
    }

    func open(_ node: Node) -> Int32 {
        lastHandle += 1
        handles[lastHandle] = Handle(node: node, boot: boot)
        return lastHandle
    }

    /// A file without a name or handle is no more; but while the medium has a name for it, its
    /// contents are wanted should the power fail.
    func collect(_ node: Node) {
        guard files[node] != nil, !names.isNamed(node),
            !handles.values.contains(where: { $0.node == node && $0.boot == boot })
        else { return }
        files[node] = nil
    }

    var usedPages: Int { files.values.reduce(0) { $0 + $1.allocatedPages } }

    func close(_ file: Int32) {
        guard let node = node(file) else { return }
        handles[file] = nil
        if !handles.values.contains(where: { $0.node == node }) {
            locks.remove(node)
            collect(node)
        }
    }
}
