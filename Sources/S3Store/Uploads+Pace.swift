import Scheduling

// Who goes first where processors, disk and network are shared: those who write, as long as nobody
// waits for an upload and the bucket has what was written in time.
//
// Full chunks are *held back* while somebody writes, so that a burst goes as fast as this host can
// take it, and go out when it is over. That may not make them late: what waits has to be small
// enough to be uploaded in half of the time that is left, at the rate of the last uploads.
extension Uploads {
    /// How long ago the last write was, at most, where somebody is writing.
    private static let pause: UInt64 = 400

    func beginWaiting() {
        if waiters.add(1, ordering: .sequentiallyConsistent).oldValue == 0 {
            setPace(yields: false, holdsBack: false)
        }
    }

    /// Uploads go on as fast until the next look at them.
    func endWaiting() { waiters.subtract(1, ordering: .sequentiallyConsistent) }

    /// Lets writers go first, or the threads that upload take their share.
    func setPace(for waiting: Backlog) {
        setPace(yields: mayYield(waiting), holdsBack: mayHoldBack(waiting))
    }

    private func setPace(yields: Bool, holdsBack: Bool) {
        for thread in monitor.withLock({ uploaders }) { thread.yieldProcessors(yields) }
        let didHoldBack = isHoldingBack.exchange(holdsBack, ordering: .acquiringAndReleasing)
        if didHoldBack, !holdsBack {
            monitor.withLock {
                monitor.announce(.work)
                monitor.announce()
            }
        }
    }

    /// Whether uploads may wait for writers: the oldest has not waited so long that it is uploaded
    /// even if its chunk is not full, and half of what may wait is free.
    func mayYield(_ waiting: Backlog) -> Bool {
        guard waiters.load(ordering: .sequentiallyConsistent) == 0 else { return false }
        return waiting.bytes <= options.waitingBytes / 2
            && waiting.milliseconds < lagMilliseconds * 3 / 4
    }

    /// Whether full chunks may wait until nobody writes.
    private func mayHoldBack(_ waiting: Backlog) -> Bool {
        let latest = lastWrite.load(ordering: .relaxed) + Self.pause
        guard options.durability == .host, milliseconds() <= latest, mayYield(waiting),
            let rate = monitor.withLock({ rate.bytesPerSecond })
        else { return false }
        let left = lagMilliseconds - min(lagMilliseconds, waiting.milliseconds)
        return Double(waiting.bytes) / rate * 1000 <= Double(left) / 2
    }

    /// Returns when nothing is held back, or when `isWanted` says no more.
    func awaitLull(while isWanted: () -> Bool) {
        let end = time.now() + options.lag
        while isHoldingBack.load(ordering: .acquiring), time.now() < end, isWanted() {
            let goesOn = monitor.withLock {
                if !isStopping { monitor.wait() }
                return !isStopping
            }
            guard goesOn else { return }
        }
    }

    var lagMilliseconds: UInt64 { UInt64(max(0, options.lag.wholeNanoseconds / 1_000_000)) }

    /// Something was written that a thread may want to upload at once.
    func noteWritten(_ chunk: CachedChunk, now: UInt64) {
        // Written to by every writer: not more often than it says something.
        if lastWrite.load(ordering: .relaxed) != now { lastWrite.store(now, ordering: .relaxed) }
        if chunk.isFilled, !isHoldingBack.load(ordering: .relaxed) {
            monitor.withLock { monitor.announce(.work) }
        }
    }
}
