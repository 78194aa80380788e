import Synchronization

/// A request that another thread will answer. Counted until it is.
final class ParkedRequest: Sendable {
    private let request: Mutex<Request?>
    private let adapter: Adapter

    init(_ request: consuming Request) {
        adapter = request.adapter
        adapter.parked.add(1, ordering: .relaxed)
        self.request = Mutex(request)
    }

    /// One that nobody answered is answered now, by its own deinit.
    deinit {
        if take() != nil { settle() }
    }

    /// Has the request answered, the first time; nothing afterwards.
    func answer(_ body: (consuming Request) -> Void) {
        guard let request = take() else { return }
        body(request)
        settle()
    }

    private func take() -> Request? { request.withLock { $0.take() } }

    private func settle() { adapter.parked.subtract(1, ordering: .releasing) }
}
