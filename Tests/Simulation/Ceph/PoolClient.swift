import ChunkStore

/// A process of a host, as long as it lives.
struct PoolProcess {
    let host: SimulatedHost
    private let boot: Int

    init(on host: SimulatedHost) {
        self.host = host
        boot = host.boot
    }

    var isAlive: Bool { host.boot == boot && !host.isDown }
}

/// A client of the pool, and whether it may still change anything: a change without an answer ends
/// that, since it may be carried out later; so does word that the cluster refuses this client.
final class PoolClient: @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    let pool: SimulatedPool
    let process: PoolProcess
    let number: Int
    /// Why it changes nothing any more.
    private(set) var end: String?
    /// The cluster carries out nothing of it any more.
    var isRefused = false
    /// When the lease that it has, if it has one, was certainly renewed; nil: it runs out.
    private var renewed: Int?

    init(_ pool: SimulatedPool, _ process: PoolProcess) {
        self.pool = pool
        self.process = process
        number = pool.newNumber()
        renewed = pool.scheduler.nanoseconds
    }

    var isOver: Bool { end != nil }

    func finish(_ reason: String) {
        if end == nil { end = reason }
    }

    /// Whether a lease of it lives: it is renewed for as long as the process and the session live.
    var isLeaseAlive: Bool {
        if process.isAlive, !isOver { renewed = pool.scheduler.nanoseconds }
        return renewed.map { pool.scheduler.nanoseconds < $0 + pool.term } ?? false
    }

    func endLease() { renewed = nil }

    // MARK: Calls

    /// Has some objects changed at the same time, each by an order of its own, and waits for all:
    /// the worst of the answers. Throws `.fenced` if one of them did not come.
    @discardableResult
    func change(
        _ call: String, _ changes: [PoolChange]
    ) throws(StoreError) -> PoolContents.Answer {
        try begin(call)
        if pool.happens(pool.rates.lapsed), !isOver {
            finish("the lease could not be renewed in time")
            endLease()
            _ = pool.failed(.fenced, call, "lapsed")
        }
        try checkStanding(call)
        let limit = pool.scheduler.nanoseconds + pool.timeout
        var orders: [SimulatedPool.Order] = []
        for change in changes { orders.append(pool.send(change, by: self, giveUpAt: limit)) }
        try wait(for: orders, until: limit, call)
        if orders.contains(where: { !$0.isAnswered }) {
            _ = pool.failed(.fenced, call, "no answer")
            finish("no answer came, and what was asked may still be done")
        }
        if orders.contains(where: { $0.answer == .refused }) {
            finish("another host has taken over")
        }
        try checkStanding(call)
        if process.isAlive { renewed = pool.scheduler.nanoseconds }
        if let bad = orders.first(where: { $0.answer == .full }) { return bad.answer ?? .full }
        return orders.first { $0.answer != .done }?.answer ?? .done
    }

    /// Asks for something, with nothing changed.
    func read<R>(_ call: String, _ body: (PoolContents) -> R) throws(StoreError) -> R {
        try begin(call)
        let (scheduler, rates) = (pool.scheduler, pool.rates)
        if pool.happens(rates.slow) {
            scheduler.sleep(nanoseconds: pool.generator.number(in: 0..<pool.timeout))
        }
        try checkAlive(call)
        pool.arrive()
        if isRefused {
            finish("another host has taken over")
            throw pool.failed(.fenced, call, "refused")
        }
        if pool.happens(rates.busy) { throw pool.failed(.busy, call, "busy") }
        if pool.happens(rates.unread) { throw pool.failed(.unanswered, call, "no answer") }
        let result = body(pool.contents)
        scheduler.point()
        try checkAlive(call)
        return result
    }

    /// Has the cluster refuse another client, which the monitors see to.
    func refuse(_ other: PoolClient, _ call: String) throws(StoreError) {
        try begin(call)
        let isUnanswered = pool.happens(pool.rates.unanswered)
        if !isUnanswered || pool.generator.chance(50) { pool.refuse(other) }
        pool.scheduler.point()
        try checkAlive(call)
        if isUnanswered { throw pool.failed(.unanswered, call, "no answer of the monitors") }
    }

    /// What every call does first: it is counted, and others run.
    private func begin(_ call: String) throws(StoreError) {
        try checkAlive(call)
        _ = process.host.begin(.write, "\(call), by client \(number)")
        try checkAlive(call)
    }

    private func wait(
        for orders: [SimulatedPool.Order], until limit: Int, _ call: String
    ) throws(StoreError) {
        let scheduler = pool.scheduler
        while true {
            scheduler.point()
            pool.arrive()
            guard process.isAlive else {
                pool.abandon(orders)
                throw dead(call)
            }
            guard orders.contains(where: { !$0.isAnswered }), scheduler.nanoseconds < limit
            else { break }
            let next = orders.filter { $0.answer == nil }.map(\.due).min() ?? limit
            let span = min(max(next, scheduler.nanoseconds), limit) - scheduler.nanoseconds
            if span > 4 * scheduler.nanosecondsPerStep { scheduler.sleep(nanoseconds: span) }
        }
        // The host may go before anybody is told.
        _ = process.host.endOfCall()
        scheduler.point()
        guard process.isAlive else {
            pool.abandon(orders)
            throw dead(call)
        }
    }

    func checkAlive(_ call: String) throws(StoreError) {
        if !process.isAlive { throw dead(call) }
    }

    private func dead(_ call: String) -> StoreError {
        StoreError(.unanswered, operation: call, cause: "the process is gone")
    }

    func checkStanding(_ call: String) throws(StoreError) {
        if let end { throw StoreError(.fenced, operation: call, cause: end) }
    }
}
