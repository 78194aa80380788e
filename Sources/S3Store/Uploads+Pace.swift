import Scheduling

// Who goes first where there are too few processors: those who write, as long as nobody waits for
// an upload and the bucket has what was written in time.
extension Uploads {
    func beginWaiting() {
        if waiters.add(1, ordering: .sequentiallyConsistent).oldValue == 0 { setPace() }
    }

    /// Uploads go on as fast until the next look at them.
    func endWaiting() { waiters.subtract(1, ordering: .sequentiallyConsistent) }

    /// Lets writers go first, or the threads that upload take their share.
    func setPace() {
        let yields = mayYield
        for thread in monitor.withLock({ uploaders }) { thread.yieldProcessors(yields) }
    }

    /// Whether uploads may wait for writers: the oldest has not waited so long that it is uploaded
    /// even if its chunk is not full, and half of what may wait is free.
    var mayYield: Bool {
        guard waiters.load(ordering: .sequentiallyConsistent) == 0 else { return false }
        let (bytes, milliseconds) = backlog()
        let lag = UInt64(max(0, options.lag.wholeNanoseconds / 1_000_000))
        return bytes <= options.waitingBytes / 2 && milliseconds < lag * 3 / 4
    }
}
