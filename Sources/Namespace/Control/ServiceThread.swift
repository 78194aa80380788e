import Glibc

/// A thread of the mount's own: requests to `control` and waits for the kernel must never take one
/// of the threads that serve the kernel's requests.
struct ServiceThread: Sendable {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private let handle: pthread_t

    /// Throws EAGAIN when the host gives no thread.
    init(_ body: @escaping @Sendable () -> Void) throws(FileError) {
        var handle = pthread_t()
        let work = Unmanaged.passRetained(Work(body))
        let error = pthread_create(
            &handle, nil,
            { argument in
                // Non-nil: it is the pointer given below, whose retain this call takes over.
                Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, work.toOpaque())
        guard error == 0 else {
            work.release()
            throw FileError(
                error, "no thread could be started: \(String(cString: strerror(error)))")
        }
        self.handle = handle
    }

    /// Lets the thread end by itself; in place of `join`.
    func detach() { pthread_detach(handle) }

    /// Waits for the thread's end. Once.
    func join() { pthread_join(handle, nil) }
}
