import ChunkStore

@testable import LocalStore
@testable import S3Store

/// A bucket, and how a process of a host reaches it.
final class BucketSide: RemoteSide, @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    let bucket: SimulatedBucket
    let options: S3StoreOptions
    let scheduler: Scheduler
    private var generator: SeededGenerator
    private var failedBefore = 0
    /// Whether a call has failed since `arm`.
    var haveFailed: Bool { bucket.failedCalls > failedBefore }
    var failedCalls: Int { bucket.failedCalls }
    var lateCalls: Int { bucket.lateCalls }
    var kept: Kept { options.durability == .store ? .flushed : .saved }
    let isHadAsAWhole = false
    let doLeasesRunOut = true
    let hasFilesOnHosts = true

    init(scheduler: Scheduler, seed: UInt64) {
        self.scheduler = scheduler
        generator = SeededGenerator(seed: seed)
        var options = S3StoreOptions()
        options.durability = generator.chance(50) ? .host : .store
        options.lag = .milliseconds(generator.pick([20, 400, 10_000]) ?? 20)
        options.cacheBytes = generator.pick([1 << 15, 1 << 19, 1 << 30]) ?? 1 << 19
        options.leastRated = 1 << 12
        options.waitingBytes = generator.pick([1 << 17, 1 << 20, 1 << 30]) ?? 1 << 20
        options.uploads = generator.number(in: 1..<4)
        options.patience = .seconds(60)
        let term = generator.pick([500, 3000, 30_000]) ?? 3000
        options.lease = LeaseTerm(length: .milliseconds(term))
        options.compactionRate = generator.pick([1 << 16, 1 << 25]) ?? 1 << 25
        self.options = options
        scheduler.nanosecondsPerStep = generator.pick([2_000, 20_000, 100_000]) ?? 20_000
        bucket = SimulatedBucket(
            scheduler: scheduler, seed: generator.next(), latest: 3 * term * 1_000_000)
    }

    /// What goes wrong with the bucket from now on.
    func arm(isQuiet: Bool) {
        var rates = SimulatedBucket.Rates()
        if !isQuiet, generator.chance(65) {
            if generator.chance(60) { rates.busy = generator.pick([6, 30, 200]) ?? 60 }
            if generator.chance(75) { rates.unanswered = generator.pick([6, 30, 200]) ?? 30 }
        }
        bucket.rates = rates
        failedBefore = bucket.failedCalls
    }

    func open(over host: SimulatedHost) throws -> any RemoteStore {
        try open(over: host, path: "store", copy: nil)
    }

    func opener(ofCopyOver host: SimulatedHost) -> () throws -> any RemoteStore {
        let copy = bucket.copy()
        return { try self.open(over: host, path: "copy", copy: copy) }
    }

    /// A process of a host opens the store; `copy` is the bucket of a copy.
    private func open(
        over host: SimulatedHost, path: String, copy: SimulatedBucket?
    ) throws -> S3Store {
        let boot = host.boot
        let client = BucketClient(copy ?? bucket) { host.boot == boot && !host.isDown }
        let (scheduler, clockError) = (scheduler, host.clockError)
        return try S3Store(
            client, cache: LocalStore(path: path, host: host), options: options,
            threads: scheduler, time: SimulatedTime(scheduler: scheduler),
            wallSeconds: {
                UInt64(1_700_000_000 + scheduler.nanoseconds / 1_000_000_000 + clockError)
            },
            random: { count in self.random(count) })
    }

    /// With a clock of its own.
    func begin(_ host: SimulatedHost) {
        host.clockError = generator.pick([0, 0, 1000, -1000]) ?? 0
    }

    func pause(quarters: Int) {
        let term = options.lease.length.wholeNanoseconds
        scheduler.sleep(nanoseconds: Int(term) * quarters / 4)
    }

    private func random(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }
}
