import Glibc
import Synchronization

/// Holds the threads that serve the kernel between two requests: then nothing is half answered,
/// what the kernel has still to ask waits in its queue, and whoever asked waits with it.
///
/// libfuse ends its threads by cancelling them, which may lose a request that was received at that
/// moment (glibc's bug 12683). For the end of a mount that is the same as any other; whoever goes
/// on being served must not lose one. So they are held here instead.
///
/// Invariant: a thread that is held has answered everything it received, or has parked it
/// (`ParkedRequest`), and receives nothing until it is let go.
enum ServingPause {
    private static let isOn = Atomic(false)
    /// How often threads are looked after, and look themselves, in microseconds.
    private static let interval: UInt32 = 1000

    /// Called by a thread before it waits for a request.
    static func pass(_ buffers: ThreadBuffers) {
        guard isOn.load(ordering: .acquiring) else { return }
        buffers.isHeld.store(true, ordering: .releasing)
        while isOn.load(ordering: .acquiring) { usleep(interval) }
        buffers.isHeld.store(false, ordering: .releasing)
    }

    /// Holds all threads, and returns when all requests are answered. False if that takes longer
    /// than `seconds`: then they go on. Never called by a thread that serves requests.
    static func begin(_ adapter: Adapter, within seconds: Double) -> Bool {
        isOn.store(true, ordering: .sequentiallyConsistent)
        let rounds = Int(seconds * 1e6) / Int(interval)
        for _ in 0..<max(rounds, 1) {
            // The signal ends a wait. It may come just before the wait begins, hence the
            // repetition.
            if ThreadBuffers.areAllHeld(waking: true),
                adapter.parked.load(ordering: .acquiring) == 0
            {
                return true
            }
            usleep(interval)
        }
        end()
        return false
    }

    static func end() { isOn.store(false, ordering: .releasing) }
}
