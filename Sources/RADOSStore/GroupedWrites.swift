import ChunkStore
import Glibc
import Synchronization

/// The writes to the pieces of one chunk. Those to a piece that come while another to it is under
/// way wait for its end and then go as one order (group commit). The log of a disk is written by
/// many threads, each next to the other, and what an order costs the cluster hardly depends on how
/// many blocks are in it.
///
/// Invariants: a piece has at most one short order under way; one that waits is started by
/// whoever sees the end of the one before, and every order that was started or waits has somebody
/// who waits for it.
final class GroupedWrites: Sendable {
    /// What is longer goes by itself, at once: company would only have it wait.
    private static let longest = 64 << 10

    /// Bytes for a place within a piece.
    struct Part {
        let object: String
        let offset: UInt64
        let bytes: UnsafeRawBufferPointer
    }

    private struct Queue {
        var running: WriteOrder
        var next: WriteOrder?
    }

    private let session: Session
    /// By piece; those with an order under way.
    private let queues = Mutex<[String: Queue]>([:])

    init(_ session: Session) { self.session = session }

    /// Writes all parts, at the same time, and waits for them. 0, or what the cluster answered to
    /// one that failed: that this client is refused or got no answer, where it was that.
    func write(_ parts: [Part]) -> Int32 {
        let orders = parts.map(begin)
        var result: Int32 = 0
        for (part, order) in zip(parts, orders) {
            var code = end(order)
            if order.parts > 1, code == -ENOSPC || code == -EDQUOT {
                // Of those that went together one needed space; that need not be this one.
                code = alone(part)
            }
            if code < 0, result == 0 || code == -ESHUTDOWN || code == -ETIMEDOUT { result = code }
        }
        return result
    }

    private func alone(_ part: Part) -> Int32 {
        let order = WriteOrder(session, part.object)
        order.add(part.bytes, at: part.offset)
        order.start()
        return order.wait()
    }

    private func begin(_ part: Part) -> WriteOrder {
        guard part.bytes.count <= Self.longest else {
            let order = WriteOrder(session, part.object)
            order.add(part.bytes, at: part.offset)
            order.start()
            return order
        }
        let (order, isFirst) = queues.withLock { queues -> (WriteOrder, Bool) in
            let queue = queues[part.object]
            let order = queue?.next ?? WriteOrder(session, part.object)
            order.add(part.bytes, at: part.offset)
            if let queue {
                queues[part.object] = Queue(running: queue.running, next: order)
            } else {
                queues[part.object] = Queue(running: order)
            }
            return (order, queue == nil)
        }
        // Nobody adds to it any more: those who come now find it running.
        if isFirst { order.start() }
        return order
    }

    private func end(_ order: WriteOrder) -> Int32 {
        let code = order.wait()
        let next = queues.withLock { queues -> WriteOrder? in
            guard let queue = queues[order.object], queue.running === order else { return nil }
            queues[order.object] = queue.next.map { Queue(running: $0) }
            return queue.next
        }
        next?.start()
        return code
    }
}
