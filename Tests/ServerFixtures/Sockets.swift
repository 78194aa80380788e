import Foundation

public struct FixtureError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// The loopback address, by plain sockets.
public enum Loopback {
    /// A socket that listens, and its port.
    public static func listener() throws -> (Int32, UInt16) {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | closedOnExec), 0)
        guard socket >= 0 else { throw FixtureError("no socket: \(errno)") }
        var address = address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(socket, address, length) + listen(socket, 64)
                    + getsockname(socket, address, &length)
            }
        }
        guard status == 0 else {
            close(socket)
            throw FixtureError("nothing to listen at: \(errno)")
        }
        return (socket, UInt16(bigEndian: address.sin_port))
    }

    /// Ports that nobody listened at a moment ago.
    public static func freePorts(_ count: Int) throws -> [UInt16] {
        // All at a time, or one would come twice.
        var held: [(Int32, UInt16)] = []
        defer { for (socket, _) in held { close(socket) } }
        for _ in 0..<count { held.append(try listener()) }
        return held.map { $0.1 }
    }

    /// nil if nobody listens there.
    static func connect(_ port: UInt16) -> Int32? {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | closedOnExec), 0)
        guard socket >= 0 else { return nil }
        var address = address(port)
        let status = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                Glibc.connect(socket, address, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            close(socket)
            return nil
        }
        setNoDelay(socket)
        return socket
    }

    /// Small answers leave at once.
    static func setNoDelay(_ socket: Int32) {
        var one: Int32 = 1
        setsockopt(
            socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Ends a connection with a reset, as a host does that lost power and came back.
    static func reset(_ socket: Int32) {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    static func send(_ socket: Int32, _ bytes: some Sequence<UInt8>) -> Bool {
        let bytes = Array(bytes)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    socket, buffer.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// What has come, at least a byte; nil at the end.
    static func receive(_ socket: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = read(socket, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            return count > 0 ? Array(buffer[..<count]) : nil
        }
    }

    private static var closedOnExec: UInt32 { UInt32(SOCK_CLOEXEC.rawValue) }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }
}
