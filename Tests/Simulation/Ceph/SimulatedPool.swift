import ChunkStore

/// A pool in Ceph that goes on whatever happens to its clients. A change is an order to one object,
/// carried out at one moment and durable then. It may take long; its answer may be lost; and when
/// its client has given up waiting it may still be carried out, at any time until the cluster
/// refuses that client. Orders of one client to one object are carried out as they were sent.
final class SimulatedPool: @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.

    /// Of so many calls one fares so; 0: none.
    struct Rates {
        /// Changes and reads that take long and are answered.
        var slow: UInt64 = 100
        /// Changes that are not answered in time.
        var unanswered: UInt64 = 0
        /// Clients whose lease was not renewed in time, told by their next change.
        var lapsed: UInt64 = 0
        /// Reads that are refused, and reads that are not answered.
        var busy: UInt64 = 0
        var unread: UInt64 = 0
    }

    /// A promise that the pool, or who asks it, does not keep: for tests that show that a world
    /// notices.
    enum Flaw: String, CaseIterable, Sendable {
        /// What a client that is refused has sent is carried out all the same.
        case takesOrdersOfTheExpelled
        /// A change is answered when it was sent.
        case answersTooEarly
        /// A lease is had beside one that lives.
        case leasesTwice
    }

    final class Order {
        let client: PoolClient
        let change: PoolChange
        /// When it is carried out; `.max`: never.
        var due: Int
        var isAnswerLost = false
        var answer: PoolContents.Answer?
        var isAnswered: Bool { answer != nil && !isAnswerLost }
        fileprivate var queue: Queue { Queue(client: client.number, object: change.object) }

        init(_ change: PoolChange, of client: PoolClient, due: Int) {
            self.change = change
            self.client = client
            self.due = due
        }
    }

    fileprivate struct Queue: Hashable {
        let client: Int
        let object: String
    }

    var contents: PoolContents
    let scheduler: Scheduler
    let seals: SealRegistry
    var generator: SeededGenerator
    var rates = Rates()
    var flaw: Flaw?
    /// How long a client waits for an answer, and how long a lease lasts; nanoseconds.
    let timeout: Int
    let term: Int
    /// Orders that are on their way, as they were sent.
    private var orders: [Order] = []
    private var lastNumber = 0
    /// Calls that failed, changes that were carried out after they had, and clients refused.
    private(set) var failedCalls = 0
    private(set) var lateChanges = 0
    private(set) var refusals = 0

    init(
        scheduler: Scheduler, seed: UInt64, seals: SealRegistry, contents: PoolContents,
        timeout: Int, term: Int
    ) {
        self.scheduler = scheduler
        self.seals = seals
        self.contents = contents
        self.timeout = timeout
        self.term = term
        generator = SeededGenerator(seed: seed)
    }

    /// What is in it now, in a pool of its own where nothing fails and nobody has anything.
    func copy() -> SimulatedPool {
        let other = SimulatedPool(
            scheduler: scheduler, seed: generator.next(), seals: seals, contents: contents,
            timeout: timeout, term: term)
        other.contents.locks = [:]
        other.lastNumber = lastNumber
        return other
    }

    /// One that nothing else has.
    func newNumber() -> Int {
        lastNumber += 1
        return lastNumber
    }

    // MARK: Orders

    func send(_ change: PoolChange, by client: PoolClient, giveUpAt end: Int) -> Order {
        let now = scheduler.nanoseconds
        let order = Order(change, of: client, due: now)
        if happens(rates.unanswered) {
            switch generator.number(in: 0..<6) {
            case 0: order.due = .max
            case 1: order.isAnswerLost = true
            default: order.due = end + lateness()
            }
        } else if happens(rates.slow) {
            order.due = now + generator.number(in: 0..<timeout)
        }
        for other in orders where other.queue == order.queue {
            order.due = max(order.due, other.due)
        }
        // One that is lost holds up nothing.
        if order.due < .max { orders.append(order) }
        if flaw == .answersTooEarly { order.answer = .done }
        return order
    }

    /// Carries out what is due. An order waits for those before it in its queue.
    func arrive() {
        guard !orders.isEmpty else { return }
        let now = scheduler.nanoseconds
        var waiting: Set<Queue> = []
        var remaining: [Order] = []
        for order in orders {
            if order.due <= now, !waiting.contains(order.queue) {
                carryOut(order)
            } else {
                waiting.insert(order.queue)
                remaining.append(order)
            }
        }
        orders = remaining
    }

    private func carryOut(_ order: Order) {
        let isRefused = order.client.isRefused && flaw != .takesOrdersOfTheExpelled
        let answer = isRefused ? .refused : order.change.apply(&contents)
        if order.client.isOver || !order.client.process.isAlive {
            lateChanges += 1
            let (text, client) = (order.change.text, order.client.number)
            scheduler.note("  late: \(text) of client \(client): \(answer)")
        }
        order.answer = order.answer ?? answer
    }

    /// Who sent them is gone: what had not left the host never arrives, the rest in a while.
    func abandon(_ sent: [Order]) {
        for order in sent where order.answer == nil {
            if generator.chance(50) {
                orders.removeAll { $0 === order }
            } else {
                order.due = max(order.due, scheduler.nanoseconds + lateness())
            }
        }
    }

    /// How much later than anybody waits for it something is carried out.
    private func lateness() -> Int {
        generator.chance(50)
            ? generator.magnitude(in: 1..<1000) * (term / 1000) : generator.number(in: 0..<2 * term)
    }

    /// From now on nothing of a client is carried out.
    func refuse(_ client: PoolClient) {
        guard !client.isRefused else { return }
        scheduler.note("  client \(client.number) is refused from now on")
        client.isRefused = true
        refusals += 1
    }

    func happens(_ rate: UInt64) -> Bool { rate > 0 && generator.next() % rate == 0 }

    func failed(_ code: StoreError.Code, _ call: String, _ cause: String) -> StoreError {
        failedCalls += 1
        scheduler.note("  \(call) fails: \(code), \(cause)")
        return StoreError(code, operation: call, cause: cause)
    }
}

/// What is to be done to one object.
struct PoolChange {
    let object: String
    let text: String
    let apply: (inout PoolContents) -> PoolContents.Answer

    init(
        _ text: String, of object: String,
        _ apply: @escaping (inout PoolContents) -> PoolContents.Answer
    ) {
        self.object = object
        self.text = text
        self.apply = apply
    }
}
