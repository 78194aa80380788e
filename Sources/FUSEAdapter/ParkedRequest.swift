import Synchronization

/// A request that another thread will answer.
final class ParkedRequest: Sendable {
    private let request: Mutex<Request?>

    init(_ request: consuming Request) { self.request = Mutex(request) }

    /// The request, the first time; nil afterwards.
    func take() -> Request? { request.withLock { $0.take() } }
}
