import Synchronization

/// An open handle on `trace/NAME`: from its opening on, every request of the disk that is answered
/// is a line of JSON. A read answers at once, with whole lines as far as they fit: nothing if
/// nothing has happened.
public final class OpenTrace: Sendable {
    private let source: (tracer: DiskTracer, ring: TraceRing)?
    /// Text that was made and did not fit.
    private let rest: Mutex<[UInt8]>

    init(of tracer: DiskTracer) throws(FileError) {
        source = (tracer, try tracer.begin())
        rest = Mutex([])
    }

    /// One of another process, which has ended.
    init(rest: [UInt8]) {
        source = nil
        self.rest = Mutex(rest)
    }

    deinit {
        if let source { source.tracer.leave(source.ring) }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        rest.withLock { rest in
            if rest.isEmpty, let source {
                // Beside the records: what was lost, and the end.
                let fitting = buffer.count / TraceRecord.longestLine - 2
                rest = Self.text(source.ring.take(max(1, fitting)))
            }
            let part = rest.prefix(buffer.count)
            buffer.copyBytes(from: part)
            rest.removeFirst(part.count)
            return part.count
        }
    }

    /// What is left to be read when another process goes on: it has no part in the requests that
    /// are in the ring.
    var handover: OpenFileState {
        rest.withLock { rest in
            guard let source else { return .trace(rest) }
            let left = source.ring.take(TraceRing.capacity)
            let lost = left.lost + UInt64(left.records.count)
            let end = left.end ?? "another process took the mount over"
            return .trace(rest + Self.text(TraceRing.Part(lost: lost, end: end)))
        }
    }

    private static func text(_ part: TraceRing.Part) -> [UInt8] {
        var text: [UInt8] = []
        if part.lost > 0 { text += Array("{\"Lost\":\(part.lost)}\n".utf8) }
        for record in part.records { text += Array(record.line.utf8) }
        if let end = part.end { text += Array("{\"End\":\"\(end)\"}\n".utf8) }
        return text
    }
}
