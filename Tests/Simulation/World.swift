import ChunkStore
import DiskFormat
import Glibc
import KeyManagement
import Scheduling

@testable import DiskEngine
@testable import LocalStore

/// One run: a host, the engine on it, clients, and what goes wrong; all of it a function of a seed.
///
/// It is a series of *lives*. In each the store is opened, everything is verified, and clients and
/// actions are at work in phases until the host crashes or they are done; what the next life finds
/// must be what the promises allow (`History`). The last life has no faults.
final class World: @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    let seed: UInt64
    var generator: SeededGenerator
    let scheduler: Scheduler
    /// The first host, and one that is at work beside it.
    var hosts: [HostAtWork]
    /// What runs the second one; nil: nobody is at work beside the first.
    var second: (any RunningThread)?
    /// Whether a second host may come.
    let hasSecondHosts: Bool
    /// nil: the store is a folder of the host.
    let remote: (any RemoteSide)?
    /// A host that still runs, and that another takes the store from.
    var away: HostAway?
    let seals = SealRegistry()
    let keys: InMemoryKMS
    let environment: Environment
    let limits: Limits
    /// Whether the medium may be full.
    let isSmall: Bool
    /// Remembers the store's past on another medium, which nothing happens to; nil: nobody does.
    var anchoring: Anchoring?

    var disks: [DiskID: SimulatedDisk] = [:]
    var snapshots: [SnapshotID: SimulatedSnapshot] = [:]
    /// Snapshots that nobody has read yet, by when they were asked for.
    var snapshotsInTheMaking: [Int: SnapshotRequest] = [:]
    /// Disks being made, by an attribute of theirs.
    var disksInTheMaking: [String: DiskInTheMaking] = [:]
    var deletedDisks: Set<DiskID> = []
    var account = AccountHistory()
    var lastStamp: History.Stamp = 0
    /// Raised by every look: the order of what is seen from outside.
    private var ticks = 0
    private(set) var violations: [String] = []
    var counts = WorldCounts()

    /// `flaw`: what the pool does not keep to, where the store lies in one.
    init(
        seed: UInt64, place: Place = .host, isTraced: Bool = false,
        flaw: SimulatedPool.Flaw? = nil
    ) {
        self.seed = seed
        generator = SeededGenerator(seed: seed)
        scheduler = Scheduler(seed: generator.next())
        if isTraced { scheduler.trace = [] }
        isSmall = generator.chance(12) && place != .bucket
        let host = SimulatedHost(
            scheduler: scheduler, seed: generator.next(),
            capacity: isSmall ? generator.number(in: 900..<2500) : 1 << 28, seals: seals)
        hosts = [HostAtWork(host: host)]
        let clock = ManualClock(Timestamp(seconds: 1_700_000_000))
        let entropy = SeededEntropy(seed: generator.next())
        keys = InMemoryKMS(clock: clock, entropy: entropy)
        environment = Environment(entropy: entropy, clock: clock, threads: scheduler)
        var limits = Limits()
        // Each disk has its present chunk and the next: a small medium holds those of four.
        limits.slotsPerChunk = generator.pick(isSmall ? [8, 16, 24] : [8, 16, 24, 64, 128])
        limits.checkpointLogBlocks = UInt64(generator.number(in: 64..<400))
        limits.mapMemory = 4 << 20
        limits.reserveBytes = 1 << 20
        limits.openChunks = generator.pick([16, 20, 1024]) ?? 16
        limits.unsyncedChunks = generator.number(in: 1..<5)
        limits.leastReclaimBlocks = UInt64(generator.pick([16, 40, 2048]) ?? 16)
        limits.leastDiscardBlocks = generator.pick([8, 256]) ?? 8
        limits.detectZeroes = generator.chance(30)
        self.limits = limits
        if generator.chance(70) {
            anchoring = Anchoring(InMemoryAnchor(), isStrict: generator.chance(50))
        }
        remote =
            switch place {
            case .host: nil
            case .bucket: BucketSide(scheduler: scheduler, seed: generator.next())
            case .pool:
                PoolSide(
                    scheduler: scheduler, seed: generator.next(), seals: seals,
                    quota: host.capacity * SimulatedFile.pageSize, flaw: flaw)
            }
        // Of a number of its own: what the other worlds do does not depend on it.
        var ownGenerator = SeededGenerator(seed: ~seed)
        hasSecondHosts = remote.map { !$0.isHadAsAWhole } ?? false && ownGenerator.chance(50)
        // An anchor refuses a disk that was elsewhere for long until somebody accepts it.
        if hasSecondHosts { anchoring = nil }
    }

    /// Where a world's store lies.
    enum Place: String, Sendable {
        case host, bucket, pool
    }

    /// Whether what was flushed survives the loss of the host.
    var isFlushFarAway: Bool { remote.map { $0.kept != .saved } ?? false }

    func newAnchor() -> Anchoring {
        Anchoring(InMemoryAnchor(), isStrict: anchoring?.isStrict ?? false)
    }

    /// Runs it; `violations` says what is wrong.
    func run() {
        let end = scheduler.run {
            do {
                try self.begin()
                let lives = self.generator.number(in: (self.hasSecondHosts ? 2 : 1)..<5)
                for life in 0..<lives { self.live(isLast: life == lives - 1) }
                self.endHostAway()
            } catch {
                self.violate("outside of any life: \(error)")
            }
        }
        if let text = seals.violation { violate(text) }
        if end != .completed { violate("\(end)") }
        counts.seeds = 1
        counts.seals = seals.sealed
        counts.kills += host.kills
        counts.powerLosses += host.powerLosses
        counts.failedRemoteCalls = remote?.failedCalls ?? 0
        counts.lateRemoteCalls = remote?.lateCalls ?? 0
        if seals.twice > 0, counts.failedCalls + counts.failedRemoteCalls == 0, !isSmall {
            violate("\(seals.twice) slots were sealed twice, and no write had failed")
        }
        counts.steps = scheduler.steps
    }

    func tick() -> Int {
        ticks += 1
        return ticks
    }

    func violate(_ text: String) {
        scheduler.note("VIOLATION: \(text)")
        violations.append(text)
    }

    /// Whether an error has a reason that lies outside of the engine.
    func isExcused(_ error: any Error) -> Bool {
        let code = (error as? DiskError)?.code
        // What crashes leave is never older than the anchor knows it.
        if code == .rolledBack { return false }
        // Where nothing is lost that was acknowledged, nothing of what is read is wrong.
        if remote?.kept == .acknowledged, code == .damaged || error is Content.Torn { return false }
        if host.isDown || haveCallsFailed || isAway || hosts[here].isRobbed { return true }
        return isSmall && code == .noSpace
    }

    var haveCallsFailed: Bool { host.faults.haveHappened || remote?.haveFailed ?? false }

    /// A client has seen its answer; the moment after, everything may end.
    func answered() {
        if !isAway, let crash = host.faults.answered() { host.crash(crash) }
    }

    /// Runs `body`; an error that nothing excuses is a violation. nil if it failed.
    @discardableResult
    func attempt<R>(_ what: String, _ body: () throws -> R) -> R? {
        do {
            scheduler.note(what)
            return try body()
        } catch {
            scheduler.note("  \(what) failed: \(error)")
            if !isExcused(error) { violate("\(what): \(error)") }
            return nil
        }
    }

    /// A store with one or two disks.
    private func begin() throws {
        let files: any ChunkStore =
            try remote?.open(over: host) ?? LocalStore(path: "store", host: host)
        try Store.create(
            in: files, account: "account", region: "region", environment: environment)
        let store = try open()
        for _ in 0..<generator.number(in: 1..<3) {
            let blocks = isSmall ? generator.number(in: 8..<120) : generator.magnitude(in: 8..<1400)
            let made = try store.createDisk(
                encrypted: generator.chance(75), size: UInt64(blocks * 4096), attributes: [:])
            disks[made.id] = SimulatedDisk(
                id: made.id, content: [History.Stamp](repeating: 0, count: blocks * 8))
        }
        try store.close()
    }

    func open() throws -> Store {
        if let remote { return try openFarAway(remote) }
        return try Store(
            opening: LocalStore(path: "store", host: host), keys: keys, holder: "simulation",
            anchor: anchoring, environment: environment, limits: limits)
    }

    // MARK: A life

    private func live(isLast: Bool) {
        if isLast { endSecondHost() }
        // What has failed so far is what excuses a second host that goes on.
        if second == nil { remote?.arm(isQuiet: isLast) }
        defer { if away?.isTaken ?? false { endHostAway() } }
        liveHere(isLast: isLast) { store in
            if isLast {
                finish(store)
            } else if let remote, away == nil, second == nil, !host.isDown, generator.chance(35) {
                leaveHostRunning(remote, store)
            } else {
                dieOrEnd(store)
            }
        }
        if second != nil, generator.chance(50) { endSecondHost() }
    }

    /// A life of the host that the present thread is of; `close` is its end if it comes so far.
    func liveHere(isLast: Bool, ending close: (Store) -> Void) {
        host.start()
        if !isLast { arm() }
        counts.lives += 1
        defer {
            (store, hosts[here].isRobbed) = (nil, false)
            counts.failedCalls += host.faults.failedCalls
        }
        guard let store = attempt("open the store", open) else { return dieEarly(nil) }
        self.store = store
        guard verifyAfterStart(store) else { return dieEarly(store) }
        for _ in 0..<generator.number(in: 1..<4) where !isOver {
            if !isLast { workWithSecondHost(store) }
            runClients()
            if !isOver { actBetweenPhases(store) }
        }
        close(store)
    }

    /// Whether this life has no more to show.
    var isOver: Bool {
        host.isDown || !violations.isEmpty || host.faults.areLasting || hosts[here].isRobbed
    }

    func dieOrEnd(_ store: Store) {
        if generator.chance(60) { die(store) } else { end(store) }
    }

    private func dieEarly(_ store: Store?) {
        if host.isDown { counts.crashedRecoveries += 1 }
        die(store)
    }

    /// A crash, if none was yet; the threads of the store end with errors.
    private func die(_ store: Store?) {
        if let remote, generator.chance(35) {
            loseHost(remote, store)
            return
        }
        let kind: SimulatedHost.Crash = generator.chance(60) ? .powerLoss : .kill
        if !host.isDown { host.crash(kind) }
        for id in disksHere {
            let kind = host.faults.haveHitSync ? .powerLoss : host.lastCrash
            disks[id]?.crashed(asRemembered(kind), at: tick())
        }
        try? store?.close()
    }

    /// What a crash of a host is to a disk: if what was acknowledged is far away by then, no more
    /// than the end of a process.
    private func asRemembered(_ crash: SimulatedHost.Crash) -> SimulatedHost.Crash {
        remote?.kept == .acknowledged ? .kill : crash
    }

    /// A clean end, after which even a loss of power changes nothing.
    private func end(_ store: Store) {
        let closed: Void? = attempt("close the store") { try store.close() }
        let isClean = closed != nil && !host.isDown && !host.faults.haveHappened
        if !host.isDown, generator.chance(70) { host.crash(.powerLoss) }
        for id in disksHere {
            // Whoever detached in order has put everything away.
            if closed != nil { noteStored(id, begunAt: tick()) }
            disks[id]?.crashed(asRemembered(isClean ? .kill : .powerLoss), at: tick())
        }
        if let remote, generator.chance(30) { loseHost(remote, nil) }
    }

    /// What goes wrong in this life: nothing, a crash, a failing call, or both.
    private func arm() {
        let kind = generator.number(in: 0..<100)
        if kind < 65 {
            let calls =
                generator.chance(50)
                ? generator.magnitude(in: 1..<4000) : generator.number(in: 100..<2500)
            let crash = kind < 45 ? SimulatedHost.Crash.powerLoss : .kill
            if generator.chance(60) {
                host.faults.crash(crash, after: calls)
            } else {
                host.faults.crash(crash, afterAnswers: generator.magnitude(in: 1..<150))
            }
        }
        guard remote?.hasFilesOnHosts ?? true else { return }
        if kind >= 55, kind < 92 {
            for _ in 0..<(generator.chance(25) ? 2 : 1) { host.faults.add(failingCall()) }
        }
        if generator.chance(40) {
            host.faults.add(
                HostFaults.Fault(
                    calls: [.write], call: generator.magnitude(in: 1..<300), code: 0,
                    effect: .short, isLasting: false))
        }
    }

    /// A call that fails, once or for good.
    private func failingCall() -> HostFaults.Fault {
        let kinds: [[HostCall]] = [
            [.write], [.write], [.sync], [.sync], [.read], [.allocate], [.rename], [.open],
            [.unlink], [.punch], [.mkdir, .rename, .open, .write], HostCall.allCases,
        ]
        let calls = generator.pick(kinds) ?? [.write]
        let isFull = calls != [.read] && generator.chance(30)
        return HostFaults.Fault(
            calls: Set(calls), call: generator.magnitude(in: 1..<800),
            code: isFull ? ENOSPC : EIO, effect: generator.chance(50) ? .none : .half,
            isLasting: generator.chance(25))
    }
}
