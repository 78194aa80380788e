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

    /// Writes all parts, at the same time and those to one piece by one order, and waits for them.
    /// 0, or what the cluster answered to one that failed: that this client is refused or got no
    /// answer, where it was that.
    func write(_ parts: [Part]) -> Int32 {
        let groups = Self.byObject(parts)
        let orders = groups.map(begin)
        var result: Int32 = 0
        for (group, order) in zip(groups, orders) {
            var code = end(order)
            if order.parts > group.count, code == -ENOSPC || code == -EDQUOT {
                // Of those that went together one needed space; that need not be one of these.
                code = alone(group)
            }
            if code < 0, result == 0 || code == -ESHUTDOWN || code == -ETIMEDOUT { result = code }
        }
        return result
    }

    /// Each has parts of one piece. There are few.
    static func byObject(_ parts: [Part]) -> [[Part]] {
        var groups: [[Part]] = []
        for part in parts {
            if let index = groups.firstIndex(where: { $0[0].object == part.object }) {
                groups[index].append(part)
            } else {
                groups.append([part])
            }
        }
        return groups
    }

    private func alone(_ group: [Part]) -> Int32 { started(group).wait() }

    private func started(_ group: [Part]) -> WriteOrder {
        let order = WriteOrder(session, group[0].object)
        for part in group { order.add(part.bytes, at: part.offset) }
        order.start()
        return order
    }

    private func begin(_ group: [Part]) -> WriteOrder {
        guard group.allSatisfy({ $0.bytes.count <= Self.longest }) else { return started(group) }
        let object = group[0].object
        let (order, isFirst) = queues.withLock { queues -> (WriteOrder, Bool) in
            let queue = queues[object]
            let order = queue?.next ?? WriteOrder(session, object)
            for part in group { order.add(part.bytes, at: part.offset) }
            if let queue {
                queues[object] = Queue(running: queue.running, next: order)
            } else {
                queues[object] = Queue(running: order)
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
