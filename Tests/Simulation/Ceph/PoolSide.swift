import ChunkStore

/// A pool in Ceph, and how a process of a host reaches it. Nothing of the store is on a host.
final class PoolSide: RemoteSide, @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    let pool: SimulatedPool
    let kept = Kept.acknowledged
    let isHadAsAWhole: Bool
    let doLeasesRunOut = false
    let hasFilesOnHosts = false
    private var generator: SeededGenerator
    private var failedBefore = 0
    var haveFailed: Bool { pool.failedCalls > failedBefore }
    var failedCalls: Int { pool.failedCalls }
    var lateCalls: Int { pool.lateChanges }

    init(
        scheduler: Scheduler, seed: UInt64, seals: SealRegistry, quota: Int,
        flaw: SimulatedPool.Flaw? = nil
    ) {
        generator = SeededGenerator(seed: seed)
        isHadAsAWhole = generator.chance(40)
        scheduler.nanosecondsPerStep = generator.pick([2_000, 20_000, 100_000]) ?? 20_000
        let term = (generator.pick([500, 3000, 30_000]) ?? 3000) * 1_000_000
        // Chunks here are of some hundred KiB, and are to lie in several pieces, too.
        let pieceSize = generator.pick([8 << 10, 64 << 10, 4 << 20]) ?? 4 << 20
        pool = SimulatedPool(
            scheduler: scheduler, seed: generator.next(), seals: seals,
            contents: PoolContents(pieceSize: pieceSize, quota: quota),
            timeout: (generator.pick([term / 50, term, 2 * term]) ?? term), term: term)
        pool.flaw = flaw
    }

    func arm(isQuiet: Bool) {
        var rates = SimulatedPool.Rates()
        rates.slow = generator.pick([10, 100, 1000]) ?? 100
        if !isQuiet, generator.chance(65) {
            if generator.chance(80) { rates.unanswered = generator.pick([30, 100, 1000]) ?? 100 }
            if generator.chance(20) { rates.lapsed = generator.pick([100, 1000]) ?? 1000 }
            if generator.chance(30) { rates.busy = generator.pick([60, 300, 2000]) ?? 300 }
            if generator.chance(40) { rates.unread = generator.pick([60, 300, 2000]) ?? 300 }
        }
        pool.rates = rates
        failedBefore = pool.failedCalls
    }

    func open(over host: SimulatedHost) throws -> any RemoteStore { PoolStore(pool, on: host) }

    func opener(ofCopyOver host: SimulatedHost) -> () throws -> any RemoteStore {
        let copy = pool.copy()
        return { PoolStore(copy, on: host) }
    }

    func begin(_ host: SimulatedHost) {}

    func pause(quarters: Int) {
        pool.scheduler.sleep(nanoseconds: pool.term * quarters / 4)
    }
}
