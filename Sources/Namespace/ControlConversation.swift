import Glibc
import Synchronization

/// An open handle on `control`: requests go in by write(2), one a call, and reads give the reply
/// of this handle's last request up to its end. A handle that has made no request reads the reply
/// of the mount's last one.
///
/// It is a stream: positions mean nothing, and a reply is read once.
public final class ControlConversation: Sendable {
    /// A longer request is none.
    public static let requestLimit = 64 << 10

    private struct State {
        var reply: [UInt8]?
        var position = 0
    }

    private let desk: ControlDesk
    private let state = Mutex(State())

    init(_ desk: ControlDesk) { self.desk = desk }

    /// Carries out a request on the control thread, then calls `answer` there with the bytes taken
    /// (all of them) or the errno of the refusal. `answer` is called exactly once, on this thread
    /// when the request cannot even be taken.
    public func submit(
        _ request: [UInt8], answer: @escaping @Sendable (Result<Int, FileError>) -> Void
    ) {
        guard request.count <= Self.requestLimit else {
            return answer(.failure(FileError(EMSGSIZE, "a request has at most 64 KiB")))
        }
        let isTaken = desk.perform(request) { [self] reply in
            state.withLock { $0 = State(reply: reply.bytes) }
            answer(
                reply.errno == 0
                    ? .success(request.count) : .failure(FileError(reply.errno, "refused")))
        }
        if !isTaken { answer(.failure(FileError(ESHUTDOWN, "the mount is ending"))) }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        state.withLock { state in
            if state.reply == nil { state.reply = desk.lastReply }
            let reply = state.reply ?? []
            let rest = reply[state.position...].prefix(buffer.count)
            buffer.copyBytes(from: rest)
            state.position += rest.count
            return rest.count
        }
    }
}

/// Where all conversations of a mount meet: the queue of requests and the last reply.
final class ControlDesk: Sendable {
    typealias Handler = @Sendable ([UInt8]) -> ControlAnswer

    private struct State {
        var handler: Handler?
        var lastReply: [UInt8]?
    }

    private let state = Mutex(State())
    private let queue = ControlQueue()

    var lastReply: [UInt8]? { state.withLock { $0.lastReply } }

    func open(_ handler: @escaping Handler) throws(FileError) {
        state.withLock { $0.handler = handler }
        try queue.start()
    }

    /// Takes no more requests, and lets those that were taken finish. False if that takes longer
    /// than `seconds`.
    func close(within seconds: Double) -> Bool {
        state.withLock { $0.handler = nil }
        return queue.stop(within: seconds)
    }

    func perform(
        _ request: [UInt8], then answer: @escaping @Sendable (ControlAnswer) -> Void
    ) -> Bool {
        guard let handler = state.withLock({ $0.handler }) else { return false }
        return queue.submit { [self] in
            let reply = handler(request)
            state.withLock { $0.lastReply = reply.bytes }
            answer(reply)
        }
    }
}
