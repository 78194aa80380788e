import CFUSE
import Glibc

/// The two payload buffers of a thread that serves requests: one that requests are received in,
/// one that replies are made in. A thread serves one request at a time, so they need no lock.
///
/// Payloads begin on page boundaries: the kernel copies whole pages then, and is 2-3 times slower
/// otherwise. libfuse's own buffer (malloc'd, with the payload behind 80 bytes of header) is not
/// aligned so, hence `DeviceIO`.
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

    deinit { memory.deallocate() }

    /// The payload of the write request that this thread received last.
    func payload(_ count: Int) -> UnsafeRawBufferPointer {
        .init(rebasing: request[Self.headerBytes..<(Self.headerBytes + count)])
    }

    /// This thread's buffers, made at the first call and freed when the thread ends.
    static var current: ThreadBuffers {
        if let known = pthread_getspecific(key) {
            return Unmanaged<ThreadBuffers>.fromOpaque(known).takeUnretainedValue()
        }
        let buffers = ThreadBuffers()
        pthread_setspecific(key, Unmanaged.passRetained(buffers).toOpaque())
        return buffers
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let error = pthread_key_create(&key) { value in
            guard let value else { return }
            Unmanaged<ThreadBuffers>.fromOpaque(value).release()
        }
        // Fails only when the process has used up its 1024 keys; nothing could be served then.
        precondition(error == 0, "no thread-specific storage")
        return key
    }()
}
