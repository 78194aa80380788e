import ChunkStore

/// Time as the scheduler has it: a little passes with every step, and when everybody waits for it
/// it jumps.
struct SimulatedTime: StoreTime {
    let scheduler: Scheduler

    func now() -> Duration { .nanoseconds(Int64(scheduler.nanoseconds)) }

    func sleep(for duration: Duration) {
        let (seconds, attoseconds) = duration.components
        scheduler.sleep(
            nanoseconds: max(0, Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)))
    }
}
