import Foundation
import Synchronization

/// A server that does with each request what a test wants: passes it on to another one, or breaks
/// it. Connections are kept, as by servers.
public final class FaultProxy: Sendable {
    public struct Request: Sendable {
        public let method: String
        /// Path and query.
        public let target: String
        /// Names in lower case.
        public let headers: [String: String]
        public let body: [UInt8]
        /// So many came before it, over all connections.
        public let number: Int
        let head: [UInt8]
    }

    public enum Action: Sendable {
        case forward
        /// Does not pass it on.
        case answer(String, headers: [String] = [], body: String = "")
        /// Ends the connection with a reset; it was not passed on.
        case resetBefore
        /// It was done, and nobody learns of it.
        case resetAfter
        /// Passes it on, after so many seconds.
        case delay(Double)
        /// Passes the answer back without its second half.
        case cutBody
        /// Passes on its head alone, as of a client that is killed then, and ends both connections.
        case cutRequest
        /// Never answers; the connection stays.
        case silence
    }

    public let port: UInt16
    private let shared: Shared

    /// What its threads have; it lives longer than the proxy.
    private final class Shared: Sendable {
        let upstream: UInt16?
        let socket: Int32
        let behaviour = Mutex<@Sendable (Request) -> Action>({ _ in .forward })
        let requests = Mutex<[Request]>([])
        let connections = Atomic(0)

        init(upstream: UInt16?, socket: Int32) {
            self.upstream = upstream
            self.socket = socket
        }
    }

    /// `upstream`: the port that requests are passed on to, if any is.
    public init(to upstream: UInt16? = nil) throws {
        let (socket, port) = try Loopback.listener()
        self.port = port
        shared = Shared(upstream: upstream, socket: socket)
        Thread.detachNewThread { [shared] in
            while true {
                let peer = accept(shared.socket, nil, nil)
                if peer < 0 { break }
                _ = fcntl(peer, F_SETFD, FD_CLOEXEC)
                shared.connections.add(1, ordering: .relaxed)
                Thread.detachNewThread {
                    Loopback.setNoDelay(peer)
                    var left: [UInt8] = []
                    while Self.serve(peer, &left, shared) {}
                    close(peer)
                }
            }
            close(shared.socket)
        }
    }

    deinit { shutdown(shared.socket, Int32(SHUT_RDWR)) }

    public var endpoint: String { "http://127.0.0.1:\(port)" }
    /// All that came so far.
    public var requests: [Request] { shared.requests.withLock { $0 } }
    public var connections: Int { shared.connections.load(ordering: .relaxed) }

    /// From now on each request is done with what `behaviour` says.
    public func on(_ behaviour: @escaping @Sendable (Request) -> Action) {
        shared.behaviour.withLock { $0 = behaviour }
    }

    /// The next requests one after the other; those behind them are passed on.
    public func script(_ actions: Action...) {
        let rest = Mutex(actions[...])
        on { _ in rest.withLock { $0.popFirst() } ?? .forward }
    }

    /// One request of a connection. False if it is over. `left` is what has come of the next.
    private static func serve(_ peer: Int32, _ left: inout [UInt8], _ shared: Shared) -> Bool {
        guard let request = receive(peer, &left, shared) else { return false }
        let behaviour = shared.behaviour.withLock { $0 }
        switch behaviour(request) {
        case .forward: return pass(request, peer, shared)
        case .answer(let status, let headers, let body):
            let lines = headers.map { $0 + "\r\n" }.joined()
            let head =
                "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(lines)\r\n"
            return Loopback.send(peer, Array((head + body).utf8))
        case .resetBefore:
            Loopback.reset(peer)
            return false
        case .resetAfter:
            _ = reply(to: request, shared)
            Loopback.reset(peer)
            return false
        case .delay(let seconds):
            usleep(UInt32(seconds * 1_000_000))
            return pass(request, peer, shared)
        case .cutBody:
            guard let (head, body) = reply(to: request, shared) else { return false }
            _ = Loopback.send(peer, head + body[..<(body.count / 2)])
            return false
        case .cutRequest:
            passHead(of: request, shared)
            Loopback.reset(peer)
            return false
        case .silence:
            while Loopback.receive(peer) != nil {}
            return false
        }
    }

    private static func pass(
        _ request: Request, _ peer: Int32, _ shared: Shared
    ) -> Bool {
        guard let (head, body) = reply(to: request, shared) else {
            Loopback.reset(peer)
            return false
        }
        return Loopback.send(peer, head + body)
    }

    /// Returns when the server has done with it what it does.
    private static func passHead(of request: Request, _ shared: Shared) {
        guard let upstream = shared.upstream, let server = Loopback.connect(upstream) else {
            return
        }
        defer { close(server) }
        guard Loopback.send(server, request.head) else { return }
        shutdown(server, Int32(SHUT_WR))
        while Loopback.receive(server) != nil {}
    }

    private static func receive(
        _ peer: Int32, _ left: inout [UInt8], _ shared: Shared
    ) -> Request? {
        while true {
            if let end = endOfHead(left) {
                let head = Array(left[..<end])
                let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
                var headers: [String: String] = [:]
                for line in lines.dropFirst() {
                    let sides = line.split(separator: ":", maxSplits: 1)
                    guard sides.count == 2 else { continue }
                    headers[sides[0].lowercased()] = sides[1].trimmingCharacters(in: .whitespaces)
                }
                let length = headers["content-length"].flatMap { Int($0) } ?? 0
                while left.count < end + length {
                    guard let part = Loopback.receive(peer) else { return nil }
                    left += part
                }
                let body = Array(left[end..<(end + length)])
                left.removeFirst(end + length)
                let words = lines.first?.split(separator: " ") ?? []
                guard words.count == 3 else { return nil }
                return shared.requests.withLock { requests in
                    let request = Request(
                        method: String(words[0]), target: String(words[1]), headers: headers,
                        body: body.count > 1 << 20 ? [] : body, number: requests.count, head: [])
                    requests.append(request)
                    return Request(
                        method: request.method, target: request.target, headers: headers,
                        body: body, number: request.number, head: head)
                }
            }
            guard let part = Loopback.receive(peer) else { return nil }
            left += part
        }
    }

    /// The server's answer: its head, which says nothing of how the connection goes on, and body.
    private static func reply(
        to request: Request, _ shared: Shared
    ) -> ([UInt8], [UInt8])? {
        guard let upstream = shared.upstream, let server = Loopback.connect(upstream) else {
            return nil
        }
        defer { close(server) }
        let head = lines(of: request.head, without: "connection")
        let last = Array("Connection: close\r\n\r\n".utf8)
        guard Loopback.send(server, head + last + request.body) else { return nil }
        var reply: [UInt8] = []
        while let part = Loopback.receive(server) { reply += part }
        guard let end = endOfHead(reply) else { return nil }
        let kept = lines(of: Array(reply[..<end]), without: "connection")
        return (kept + Array("\r\n".utf8), Array(reply[end...]))
    }

    private static func lines(of head: [UInt8], without name: String) -> [UInt8] {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
        let kept = lines.filter { !$0.lowercased().hasPrefix(name + ":") }
        return Array(kept.map { $0 + "\r\n" }.joined().utf8)
    }

    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        let mark = Array("\r\n\r\n".utf8)
        return bytes.firstRange(of: mark)?.upperBound
    }
}
