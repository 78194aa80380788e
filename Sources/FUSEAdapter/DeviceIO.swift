import CFUSE
import Glibc

/// How libfuse reads and writes /dev/fuse here: requests are received in a buffer of ours, whose
/// write payloads lie on page boundaries (`ThreadBuffers`), and libfuse's own buffer gets what it
/// parses: of a write the headers only, of everything else the whole.
enum DeviceIO {
    static func table() -> fuse_custom_io {
        var io = fuse_custom_io()
        io.read = receiveRequest
        io.writev = { descriptor, parts, count, _ in writev(descriptor, parts, count) }
        return io
    }
}

/// libfuse cancels threads that wait here when the session ends: nothing is held meanwhile.
private func receiveRequest(
    descriptor: Int32, buffer: UnsafeMutableRawPointer?, limit: Int,
    userdata: UnsafeMutableRawPointer?
) -> Int {
    let buffers = ThreadBuffers.current
    buffers.wipeIfAsked()
    ServingPause.pass(buffers)
    let memory = buffers.request
    let count = Glibc.read(descriptor, memory.baseAddress, min(limit, memory.count))
    guard count >= Int(SEALDISK_FUSE_HEADER_BYTES), let buffer else { return count }
    let operation = memory.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
    var parsed = count
    if operation == UInt32(SEALDISK_FUSE_WRITE_OPCODE) {
        parsed = min(count, Int(SEALDISK_FUSE_WRITE_HEADER_BYTES))
    } else if operation == UInt32(SEALDISK_FUSE_INIT_OPCODE), let userdata {
        Adapter.of(userdata).firstRequest.withLock { $0 = Array(memory[..<count]) }
    }
    // Within both: `count` is at most `limit`, the size of libfuse's buffer, and `memory.count`.
    buffer.copyMemory(from: memory.baseAddress!, byteCount: parsed)
    return count
}
