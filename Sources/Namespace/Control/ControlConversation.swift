import ControlPlane
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

    /// `reply`, from `position` on, is what is left to be read of an earlier one's.
    init(_ desk: ControlDesk, reply: [UInt8]? = nil, position: Int = 0) {
        self.desk = desk
        state.withLock { $0 = State(reply: reply, position: min(position, reply?.count ?? 0)) }
    }

    /// What another of this kind goes on with.
    var handover: OpenFileState {
        state.withLock { .control(reply: $0.reply, position: $0.position) }
    }

    /// Carries out a request on a control thread, then calls `answer` there with the bytes taken
    /// (all of them) or the errno of the refusal. `answer` is called exactly once, on this thread
    /// when the request cannot even be taken.
    public func submit(
        _ request: [UInt8], answer: @escaping @Sendable (Result<Int, FileError>) -> Void
    ) {
        let conclude: @Sendable (ControlAnswer) -> Void = { [self] reply in
            state.withLock { $0 = State(reply: reply.bytes) }
            answer(
                reply.errno == 0
                    ? .success(request.count) : .failure(FileError(reply.errno, "refused")))
        }
        guard request.count <= Self.requestLimit else {
            return desk.refuse(.tooLong, then: conclude)
        }
        let isTaken = desk.perform(request, then: conclude)
        if !isTaken { desk.refuse(.ending, then: conclude) }
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

/// What is answered where the control plane is not reached. A handle reads these as any other
/// reply: never an earlier request's in their place.
extension ControlAnswer {
    fileprivate static var tooLong: ControlAnswer {
        ControlAnswer(
            refusal: Refusal(
                code: ErrorCode.malformedRequest.rawValue,
                message: "A request has at most \(ControlConversation.requestLimit) bytes.",
                recommend: "Write each request in a write of its own, or shorten it."),
            errno: EMSGSIZE)
    }

    static var ending: ControlAnswer {
        ControlAnswer(
            refusal: Refusal(
                code: ErrorCode.notMounted.rawValue,
                message: "The mount is ending and takes no more requests.",
                recommend: "Mount the store again: sealdisk mount STORE DIR."),
            errno: ESHUTDOWN)
    }
}

/// Where all conversations of a mount meet: the queue of requests and the last reply.
final class ControlDesk: Sendable {
    typealias Handler = @Sendable ([UInt8]) -> ControlAnswer

    private struct State {
        var handler: Handler?
        var lastReply: [UInt8]?
    }

    private let state: Mutex<State>
    private let queue = ControlQueue()

    /// `lastReply`: what the mount was asked last, if another tree served it before.
    init(lastReply: [UInt8]? = nil) { state = Mutex(State(lastReply: lastReply)) }

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

    /// Answers a request that is not carried out.
    func refuse(_ reply: ControlAnswer, then answer: (ControlAnswer) -> Void) {
        state.withLock { $0.lastReply = reply.bytes }
        answer(reply)
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
