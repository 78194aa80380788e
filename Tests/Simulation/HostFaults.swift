import Glibc

/// The calls of a simulated host that can fail, by name.
enum HostCall: String, CaseIterable {
    case open, stat, read, write, sync, allocate, punch, truncate, lock, mkdir, unlink, rename, list
    case space
}

/// What goes wrong on a simulated host, and when.
struct HostFaults {
    enum Effect {
        /// Nothing is done.
        case none
        /// A write has done its first half and says so: no failure, but what write(2) may do.
        case short
        /// A write has done its first half, and reports failure.
        case half
    }

    struct Failure {
        let code: Int32
        let effect: Effect
    }

    struct Fault {
        var calls: Set<HostCall>
        /// 1 is the next call of these.
        var call: Int
        var code: Int32
        var effect: Effect
        var isLasting: Bool
    }

    private var faults: [Fault] = []
    private var callsUntilCrash: Int?
    private var answersUntilCrash: Int?
    private var crash = SimulatedHost.Crash.kill
    /// Whether any call has failed, and whether a sync has: then nothing is known of what was not
    /// synced before.
    var haveHappened: Bool { failedCalls > 0 }
    private(set) var failedCalls = 0
    private(set) var haveHitSync = false
    /// Whether it will go on so.
    var areLasting: Bool { haveHitSync || haveHappened && faults.contains(where: \.isLasting) }

    mutating func add(_ fault: Fault) { faults.append(fault) }

    /// After so many more calls the process dies or the power fails.
    mutating func crash(_ kind: SimulatedHost.Crash, after calls: Int) {
        crash = kind
        callsUntilCrash = calls
    }

    /// The same right after so many more answers to clients, which is when a promise that is not
    /// kept yet shows.
    mutating func crash(_ kind: SimulatedHost.Crash, afterAnswers answers: Int) {
        crash = kind
        answersUntilCrash = answers
    }

    /// A client has its answer: a crash that is due now.
    mutating func answered() -> SimulatedHost.Crash? {
        answersUntilCrash = answersUntilCrash.map { $0 - 1 }
        guard let answers = answersUntilCrash, answers <= 0 else { return nil }
        answersUntilCrash = nil
        return crash
    }

    mutating func meet(_ call: HostCall, _ generator: inout SeededGenerator) -> Failure? {
        callsUntilCrash = callsUntilCrash.map { $0 - 1 }
        var failure: Failure?
        for index in faults.indices.reversed() where faults[index].calls.contains(call) {
            faults[index].call -= 1
            guard faults[index].call <= 0 else { continue }
            failure = Failure(code: faults[index].code, effect: faults[index].effect)
            if !faults[index].isLasting { faults.remove(at: index) }
        }
        if let failure, failure.effect != .short {
            failedCalls += 1
            if call == .sync { haveHitSync = true }
        }
        return failure
    }

    mutating func crashDue() -> SimulatedHost.Crash? {
        guard let calls = callsUntilCrash, calls <= 0 else { return nil }
        callsUntilCrash = nil
        return crash
    }
}
