import CFUSE
import Glibc
import Synchronization

/// The two payload buffers of a thread that serves requests: one that requests are received in,
/// one that replies are made in. A thread serves one request at a time, so they need no lock.
///
/// Payloads begin on page boundaries: the kernel copies whole pages then, and is 2-3 times slower
/// otherwise. libfuse's own buffer (malloc'd, with the payload behind 80 bytes of header) is not
/// aligned so, hence `DeviceIO`.
///
/// What has passed through them stays in them until the next request. `wipeAll` has every thread
/// wipe its own before it waits for another: nobody else can, for the kernel may be writing the
/// next request into them at that moment.
final class ThreadBuffers {
    /// The longest payload of a request or reply, in bytes: 1 MiB, which is what libfuse 3.14 and
    /// the kernel's default `max_pages_limit` agree on.
    static let payloadLimit = 1 << 20
    private static let page = 4096
    /// Headers before the payload, in the page before it.
    private static let headerBytes = Int(SEALDISK_FUSE_WRITE_HEADER_BYTES)

    private let memory: UnsafeMutableRawBufferPointer
    /// What `DeviceIO` reads a request into: its header, then on a page boundary its payload.
    let request: UnsafeMutableRawBufferPointer
    /// Where a reply's payload is made.
    let reply: UnsafeMutableRawBufferPointer

    private init() {
        let half = Self.page + Self.payloadLimit + Self.page
        memory = .allocate(byteCount: 2 * half, alignment: Self.page)
        request = .init(rebasing: memory[(Self.page - Self.headerBytes)..<half])
        reply = .init(rebasing: memory[half..<(half + Self.payloadLimit)])
    }

    deinit {
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        memory.deallocate()
    }

    /// The payload of the write request that this thread received last.
    func payload(_ count: Int) -> UnsafeRawBufferPointer {
        .init(rebasing: request[Self.headerBytes..<(Self.headerBytes + count)])
    }

    // MARK: Wiping

    /// How often `wipeAll` was called, and as of which call these buffers are wiped; the latter
    /// only grows, by this thread.
    private static let asked = Atomic<UInt64>(0)
    private let wiped = Atomic<UInt64>(asked.load(ordering: .relaxed))
    /// Set and cleared by this thread alone: see `ServingPause`.
    let isHeld = Atomic(false)
    /// The buffers of the threads that live. Invariant: an entry's thread has not ended, for it
    /// takes itself out, under this lock, as it ends.
    private static let living = Mutex<[ObjectIdentifier: (thread: pthread_t, Weak)]>([:])

    private struct Weak: @unchecked Sendable {
        // Sendable holds because only the atomic `wiped` is reached through it.
        unowned let buffers: ThreadBuffers
    }

    /// Called by the thread before it waits for a request.
    func wipeIfAsked() {
        let now = Self.asked.load(ordering: .acquiring)
        guard wiped.load(ordering: .relaxed) < now else { return }
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        wiped.store(now, ordering: .releasing)
    }

    /// Has every thread wipe its buffers. Threads that wait for a request have done so when this
    /// returns; those that serve one do before they wait for the next. Never called by a thread
    /// that serves requests.
    static func wipeAll() {
        let target = asked.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
        // The signal ends a wait. It may come just before the wait begins, hence the repetition.
        for _ in 0..<wakes {
            let isOver = living.withLock { living in
                let late = living.values.filter {
                    $0.1.buffers.wiped.load(ordering: .acquiring) < target
                }
                for entry in late { pthread_kill(entry.thread, WakeSignal.number) }
                return late.isEmpty
            }
            if isOver { return }
            usleep(5000)
        }
    }

    /// A thread that was not reached by then serves a request that takes its time.
    private static let wakes = 40

    /// Whether every thread that serves requests is held between two of them. `waking`: those that
    /// are not are woken, should they wait for one.
    static func areAllHeld(waking: Bool) -> Bool {
        living.withLock { living in
            let free = living.values.filter { !$0.1.buffers.isHeld.load(ordering: .acquiring) }
            if waking { for entry in free { pthread_kill(entry.thread, WakeSignal.number) } }
            return free.isEmpty
        }
    }

    /// This thread's buffers, made at the first call and freed when the thread ends.
    static var current: ThreadBuffers {
        if let known = pthread_getspecific(key) {
            return Unmanaged<ThreadBuffers>.fromOpaque(known).takeUnretainedValue()
        }
        let buffers = ThreadBuffers()
        living.withLock {
            $0[ObjectIdentifier(buffers)] = (pthread_self(), Weak(buffers: buffers))
        }
        pthread_setspecific(key, Unmanaged.passRetained(buffers).toOpaque())
        return buffers
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let error = pthread_key_create(&key) { value in
            guard let value else { return }
            let buffers = Unmanaged<ThreadBuffers>.fromOpaque(value)
            living.withLock {
                _ = $0.removeValue(forKey: ObjectIdentifier(buffers.takeUnretainedValue()))
            }
            buffers.release()
        }
        // Fails only when the process has used up its 1024 keys; nothing could be served then.
        precondition(error == 0, "no thread-specific storage")
        return key
    }()
}
