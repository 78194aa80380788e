import Synchronization

/// HTTP to servers: no redirects, no proxies, TLS always verified, every call ends in time.
///
/// A call has a handle of libcurl, and with it a connection, for itself; both are kept for the
/// calls that follow. So there are as many connections as calls were ever under way at once.
public final class HTTPClient: Sendable {
    public struct Options: Sendable {
        /// A file of certificates that vouch for the server; nil: the host's own.
        public var certificates: String?
        /// Until there is a connection.
        public var connectLimit: Duration = .seconds(5)
        /// For all of a call.
        public var limit: Duration = .seconds(120)
        /// For how long next to nothing may move in either direction; nil: as long as all may take.
        public var stallLimit: Duration?
        /// How many idle connections are kept; 0: none, nor any memory a reply has been in.
        public var idleLimit = 64

        public init() {}
    }

    public let options: Options
    private let idle = Mutex<[Handle]>([])

    public init(_ options: Options) { self.options = options }

    /// Sends a request and gives its reply to `receiver`. Throws if no whole reply came, unless
    /// `receiver` wanted no more. A reply that says no is a reply.
    public func send(
        _ request: HTTPRequest, to receiver: any HTTPReceiver
    ) throws(HTTPError) -> HTTPReply {
        let kept = idle.withLock { $0.popLast() }
        let handle = if let kept { kept } else { try Handle() }
        let exchange = Exchange(receiver, body: request.body, mayRepeat: request.mayRepeat)
        let shield = SignalShield()
        let (result, sent) = handle.perform(request, options, exchange)
        shield.end()
        let outcome = exchange.outcome(of: result, sent: sent)
        if case .success = outcome { keep(handle) }
        return try outcome.get()
    }

    private func keep(_ handle: Handle) {
        // The last to be idle is the first to be used: the others' connections may end.
        idle.withLock { idle in
            if idle.count < options.idleLimit { idle.append(handle) }
        }
    }
}
