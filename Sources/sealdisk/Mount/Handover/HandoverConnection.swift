import CDescriptorPassing
import Glibc

/// One end of the connection between two processes that hand a mount over: messages, each with its
/// length before it, and with one of them a descriptor.
final class HandoverConnection: Sendable {
    private let socket: Int32
    /// A mount with a million names known to the kernel needs some 100 MiB.
    private static let limit = 1 << 30

    /// Takes a connected socket over.
    init(_ socket: Int32) { self.socket = socket }

    deinit { close(socket) }

    /// Nothing more is said: the other end sees the end.
    func end() { shutdown(socket, Int32(SHUT_RDWR)) }

    /// The user and the process at the other end.
    var peer: (user: UInt32, process: Int32)? {
        var (user, process) = (uid_t(), pid_t())
        return sealdisk_peer(socket, &user, &process) == 0 ? (user, process) : nil
    }

    /// A message that does not come, or is not taken, within `seconds` fails.
    func setPatience(_ seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, size)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    /// False if the other end is gone, or does not take it in time.
    @discardableResult
    func send(_ message: HandoverMessage, _ descriptor: Int32? = nil) -> Bool {
        guard let text = try? message.encoded() else { return false }
        let bytes = withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
        return bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            var descriptor = descriptor ?? -1
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                let count = sealdisk_send(socket, part.baseAddress, part.count, descriptor)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                descriptor = -1
                rest = rest.dropFirst(count)
            }
            return true
        }
    }

    /// The next message, with the descriptor that came along; nil if the other end is gone, says
    /// nothing in time, or what it says is none.
    func receive() -> (message: HandoverMessage, descriptor: Int32?)? {
        var descriptor: Int32 = -1
        let message = receive(8, &descriptor).flatMap { bytes -> HandoverMessage? in
            let length = bytes.withUnsafeBytes { UInt64(littleEndian: $0.load(as: UInt64.self)) }
            guard length <= UInt64(Self.limit) else { return nil }
            return receive(Int(length), &descriptor).flatMap { try? HandoverMessage($0) }
        }
        guard let message else {
            if descriptor >= 0 { close(descriptor) }
            return nil
        }
        return (message, descriptor >= 0 ? descriptor : nil)
    }

    private func receive(_ count: Int, _ descriptor: inout Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var used = 0
        while used < count {
            let got = bytes.withUnsafeMutableBytes {
                sealdisk_receive(socket, $0.baseAddress! + used, count - used, &descriptor)
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { return nil }
            used += got
        }
        return bytes
    }
}
