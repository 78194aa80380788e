import DiskEngine
import Scheduling

/// A monitor whose lock and conditions are the scheduler's affair. It wakes without cause now and
/// then, as a monitor may.
final class SimulatedMonitor: Monitor, @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    private unowned let scheduler: Scheduler
    private var isHeld = false
    private var heldBy = ""
    private var lockers: [SimulatedThread] = []
    private var waiters: [[SimulatedThread]] = Event.allCases.map { _ in [] }

    init(_ scheduler: Scheduler) {
        self.scheduler = scheduler
        super.init()
    }

    override func lock() {
        scheduler.point()
        take()
    }

    override func unlock() {
        release()
        scheduler.point()
    }

    override func wait(for event: Event) {
        release()
        if scheduler.chance(oneIn: 64) {
            scheduler.point()
        } else {
            scheduler.block("\(event)") { waiters[event.rawValue].append($0) }
        }
        take()
    }

    override func announce(_ event: Event) {
        for waiter in waiters[event.rawValue] { waiter.isReady = true }
        waiters[event.rawValue].removeAll(keepingCapacity: true)
    }

    private func take() {
        while isHeld { scheduler.block("a lock that \(heldBy) has") { lockers.append($0) } }
        isHeld = true
        heldBy = scheduler.currentName
    }

    private func release() {
        // What a monitor's `unlock` demands.
        precondition(isHeld, "a monitor is released that nobody has")
        isHeld = false
        for locker in lockers { locker.isReady = true }
        lockers.removeAll(keepingCapacity: true)
    }
}
