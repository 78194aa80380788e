import DiskEngine
import Glibc
import Scheduling

/// Decides which thread runs: threads, monitors and waiting as `Threads` gives them to the engine,
/// but one thread at a time, and which one after every step is the seed's word.
///
/// The threads are real ones that hand a turn on. A step is whatever lies between two calls of
/// `point()`, which every monitor and the simulated host make at each of their calls.
///
/// Invariant: exactly one thread has the turn, and only it touches what is in here. (Handing the
/// turn on by a semaphore orders memory.)
final class Scheduler: Threads, @unchecked Sendable {
    // @unchecked: see the invariant.

    /// How a run ended.
    enum End: Equatable, CustomStringConvertible {
        case completed
        /// Nobody can go on: who waits for what.
        case deadlock([String])
        /// More steps than any run takes.
        case endless([String])

        var description: String {
            switch self {
            case .completed: "completed"
            case .deadlock(let threads): "deadlock: " + threads.joined(separator: "; ")
            case .endless(let threads): "does not end: " + threads.joined(separator: "; ")
            }
        }
    }

    /// How the next thread is chosen.
    private enum Manner {
        /// The present one goes on with this probability, in percent; else any.
        case random(staying: Int)
        /// The one with the highest priority, which it loses from time to time (probabilistic
        /// concurrency testing): long runs of one thread, interrupted at a few odd places.
        case priorities
    }

    private let manner: Manner
    private var generator: SeededGenerator
    private var threads: [SimulatedThread] = []
    private var current: SimulatedThread?
    private var lowest = 0
    private let stepLimit: Int
    private(set) var steps = 0
    /// The time, of which so much passes with each step.
    private(set) var nanoseconds = 0
    var nanosecondsPerStep = 1000
    private var sleepers: [(until: Int, thread: SimulatedThread)] = []
    private var end = End.completed
    private let finished = Turn()
    /// Lines that tell what happened; nil if nobody wants them.
    var trace: [String]?

    init(seed: UInt64, stepLimit: Int = 4_000_000) {
        generator = SeededGenerator(seed: seed)
        self.stepLimit = stepLimit
        manner =
            switch generator.next() % 8 {
            case 0...1: .priorities
            case 2: .random(staying: 30)
            case 3...5: .random(staying: 80)
            default: .random(staying: 97)
            }
    }

    /// Runs `body` as the first thread and returns when it has ended, or cannot. Threads that stand
    /// still for good then are left as they are.
    func run(_ body: @escaping @Sendable () -> Void) -> End {
        let first = add("main")
        launch(first, body)
        current = first
        first.turn.pass()
        finished.take()
        return end
    }

    var currentName: String { current?.name ?? "?" }

    func note(_ line: @autoclosure () -> String) {
        if trace != nil { trace?.append("\(steps) [\(currentName)] \(line())") }
    }

    // MARK: Threads

    func makeMonitor() -> Monitor { SimulatedMonitor(self) }

    func start(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadLimit)
        -> any RunningThread
    {
        let thread = add(name)
        launch(thread, body)
        point()
        return Joinable(thread: thread, scheduler: self)
    }

    private struct Joinable: RunningThread {
        let thread: SimulatedThread
        let scheduler: Scheduler

        func join() {
            while !thread.hasEnded {
                scheduler.block("the end of \(thread.name)") { thread.joiners.append($0) }
            }
        }
    }

    private func add(_ name: String) -> SimulatedThread {
        let thread = SimulatedThread(number: threads.count, name: name)
        thread.priority = Int(generator.next() % 1000) + 1000
        threads.append(thread)
        return thread
    }

    private func launch(_ thread: SimulatedThread, _ body: @escaping @Sendable () -> Void) {
        let isFirst = thread.number == 0
        let job = Job(body)
        startDetached {
            thread.turn.take()
            job.run()
            self.ended(thread, isFirst: isFirst)
        }
    }

    /// What a thread does, and what goes with it while the thread still has the turn.
    private final class Job: @unchecked Sendable {
        // @unchecked: made before its thread, and then that thread's alone.
        private var body: (@Sendable () -> Void)?

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }

        func run() {
            body?()
            body = nil
        }
    }

    private func ended(_ thread: SimulatedThread, isFirst: Bool) {
        thread.hasEnded = true
        thread.isReady = false
        if isFirst { current = nil }
        for joiner in thread.joiners { joiner.isReady = true }
        threads.removeAll { $0 === thread }
        if isFirst {
            finished.pass()
        } else if let next = choose() {
            current = next
            next.turn.pass()
        } else {
            giveUp(.deadlock(stuck))
        }
    }

    // MARK: Turns

    /// A place where another thread may be given the turn.
    func point() {
        guard let me = current else { return }
        steps += 1
        nanoseconds += nanosecondsPerStep
        if steps > stepLimit {
            giveUp(.endless(stuck))
            me.turn.takeForEver()
        }
        if let next = choose(), next !== me { switchTurn(from: me, to: next) }
    }

    /// The present thread waits until somebody makes it ready.
    func block(_ reason: @autoclosure () -> String, _ register: (SimulatedThread) -> Void) {
        guard let me = current else { return }
        me.isReady = false
        me.waitsFor = reason()
        register(me)
        guard let next = choose() else {
            giveUp(.deadlock(stuck))
            me.turn.takeForEver()
        }
        // Somebody may have made it ready already: no, nobody ran since.
        switchTurn(from: me, to: next)
    }

    func chance(oneIn count: UInt64) -> Bool { generator.next() % count == 0 }

    private func switchTurn(from me: SimulatedThread, to next: SimulatedThread) {
        current = next
        next.turn.pass()
        me.turn.take()
    }

    /// Holds the present thread back for as long, or longer.
    func sleep(nanoseconds span: Int) {
        point()
        block("its time") { sleepers.append((nanoseconds + span, $0)) }
    }

    /// Who waits for a time that has come goes on.
    private func wake() {
        guard sleepers.contains(where: { $0.until <= nanoseconds }) else { return }
        for sleeper in sleepers where sleeper.until <= nanoseconds { sleeper.thread.isReady = true }
        sleepers.removeAll { $0.until <= nanoseconds }
    }

    /// Time passes at once where everybody waits for it.
    private func choose() -> SimulatedThread? {
        wake()
        if let next = chooseReady() { return next }
        guard let next = sleepers.map(\.until).min() else { return nil }
        nanoseconds = next
        wake()
        return chooseReady()
    }

    private func chooseReady() -> SimulatedThread? {
        switch manner {
        case .random(let staying):
            if let current, current.isReady, generator.next() % 100 < UInt64(staying) {
                return current
            }
            let count = threads.reduce(0) { $0 + ($1.isReady ? 1 : 0) }
            guard count > 0 else { return nil }
            var index = Int(generator.next() % UInt64(count))
            for thread in threads where thread.isReady {
                if index == 0 { return thread }
                index -= 1
            }
            return nil
        case .priorities:
            if let current, chance(oneIn: 150) {
                lowest -= 1
                current.priority = lowest
            }
            return threads.lazy.filter(\.isReady).max { $0.priority < $1.priority }
        }
    }

    private func giveUp(_ end: End) {
        self.end = end
        finished.pass()
    }

    private var stuck: [String] {
        threads.map { $0.isReady ? "\($0.name) could run" : "\($0.name) waits for \($0.waitsFor)" }
    }
}

/// One of the threads, and what is known of it.
final class SimulatedThread: @unchecked Sendable {
    // @unchecked: touched by who has the turn.
    let number: Int
    let name: String
    let turn = Turn()
    var isReady = true
    var hasEnded = false
    var waitsFor = ""
    var priority = 0
    var joiners: [SimulatedThread] = []

    init(number: Int, name: String) {
        self.number = number
        self.name = name
    }
}

/// The turn, as one thread waits for it.
final class Turn: @unchecked Sendable {
    // @unchecked: a semaphore is made for use from any thread, and does not move.
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        semaphore.initialize(to: sem_t())
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func pass() { sem_post(semaphore) }
    func take() { while sem_wait(semaphore) != 0 {} }
    func takeForEver() -> Never { while true { take() } }
}

/// A thread of the operating system that nobody joins.
private func startDetached(_ body: @escaping @Sendable () -> Void) {
    final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let status = pthread_create(
        &thread, &attributes,
        { argument in
            // `argument` is the retained Start passed below, taken over exactly once.
            Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Start(body)).toOpaque())
    pthread_attr_destroy(&attributes)
    // Without threads there is nothing to simulate.
    precondition(status == 0, "no thread for the simulator")
}
