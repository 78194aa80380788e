import CRados
import ChunkStore
import Glibc
import Synchronization

/// Renews a lease on a thread of its own until it is stopped, and ends the session if it is lost.
final class LeaseKeeper: @unchecked Sendable {
    // @unchecked: `thread` is set once, before anybody else has the keeper, and read by the one who
    // stops it, which happens once.
    private let lease: Lease
    /// A pair of sockets: the end of the one wakes the thread at the other.
    private let reader: Int32
    private let writer: Int32
    private let isStopped = Atomic<Bool>(false)
    private var thread = pthread_t()

    init(_ lease: Lease, _ operation: String) throws(StoreError) {
        self.lease = lease
        var ends: [Int32] = [-1, -1]
        let made = socketpair(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends)
        (reader, writer) = (ends[0], ends[1])
        guard made == 0 else { throw StoreError(rados: -errno, operation) }
        let held = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { argument in
                if let argument {
                    Unmanaged<LeaseKeeper>.fromOpaque(argument).takeRetainedValue().run()
                }
                return nil
            }, held.toOpaque())
        if code != 0 {
            held.release()
            close(writer)
            throw StoreError(rados: -code, operation)
        }
    }

    deinit { if reader >= 0 { close(reader) } }

    /// Returns once nothing is renewed any more. Once.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        shutdown(writer, Int32(SHUT_RDWR))
        close(writer)
        pthread_join(thread, nil)
    }

    private func run() {
        let session = lease.session
        let pause = Int32(lease.timing.renewal.nanoseconds / 1_000_000)
        var wait = pause
        while true {
            var event = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
            poll(&event, 1, wait)
            if isStopped.load(ordering: .acquiring) || session.isOver { return }
            let sent = now()
            switch lease.renew() {
            case 0:
                session.setDeadline(lease.deadline(sent))
                wait = pause
            case -ENOENT, -EBUSY:
                session.end(
                    "the lease on \(session.scope) ran out, or another host has taken it over")
            case -ESHUTDOWN: session.end(session.whyTaken)
            // Until it is too late, which `Session` tells by the clock.
            default: wait = max(pause / 10, 10)
            }
        }
    }
}
