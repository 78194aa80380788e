import ChunkStore
import Glibc
import Synchronization

/// Time that passes when the test says so, and while the thread that made it sleeps. Any other
/// thread that sleeps looks again a moment later.
final class HandTime: StoreTime {
    private let nanoseconds = Atomic<Int64>(1_000_000_000_000)
    private let maker = pthread_self()

    func now() -> Duration { .nanoseconds(nanoseconds.load(ordering: .sequentiallyConsistent)) }

    func advance(by span: Duration) {
        let (seconds, attoseconds) = span.components
        nanoseconds.add(
            seconds * 1_000_000_000 + attoseconds / 1_000_000_000,
            ordering: .sequentiallyConsistent)
    }

    func sleep(for duration: Duration) {
        if pthread_equal(pthread_self(), maker) != 0 { advance(by: duration) }
        usleep(500)
    }
}
