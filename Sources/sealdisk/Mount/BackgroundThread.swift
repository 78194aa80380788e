import Glibc

/// Threads that live until the process ends.
enum BackgroundThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    static func start(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let work = Unmanaged.passRetained(Work(body))
        let error = pthread_create(
            &thread, nil,
            { argument in
                // Non-nil: the pointer given below, whose retain this call takes over.
                Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, work.toOpaque())
        // A mount that could not be ended, or never be reported ready, must not be: without threads
        // it could not serve either.
        precondition(error == 0, "no thread could be started")
        pthread_detach(thread)
    }
}
