import ChunkStore
import Synchronization

/// Counts, from any thread.
final class S3Meter: Sendable {
    private let puts = Atomic<UInt64>(0)
    private let gets = Atomic<UInt64>(0)
    private let lists = Atomic<UInt64>(0)
    private let deletes = Atomic<UInt64>(0)
    private let failures = Atomic<UInt64>(0)
    private let sent = Atomic<UInt64>(0)
    private let received = Atomic<UInt64>(0)

    var counts: BackendRequests {
        var counts = BackendRequests()
        counts.puts = puts.load(ordering: .relaxed)
        counts.gets = gets.load(ordering: .relaxed)
        counts.lists = lists.load(ordering: .relaxed)
        counts.deletes = deletes.load(ordering: .relaxed)
        counts.failures = failures.load(ordering: .relaxed)
        counts.bytesSent = sent.load(ordering: .relaxed)
        counts.bytesReceived = received.load(ordering: .relaxed)
        return counts
    }

    func count(_ call: S3Call, sent bytes: Int) {
        switch call {
        case .put: puts.add(1, ordering: .relaxed)
        case .get: gets.add(1, ordering: .relaxed)
        case .list: lists.add(1, ordering: .relaxed)
        case .delete: deletes.add(1, ordering: .relaxed)
        }
        sent.add(UInt64(bytes), ordering: .relaxed)
    }

    func countReceived(_ bytes: UInt64) { received.add(bytes, ordering: .relaxed) }
    func countFailure() { failures.add(1, ordering: .relaxed) }
}
