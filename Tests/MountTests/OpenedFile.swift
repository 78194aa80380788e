import Foundation

/// An open file of the host, with calls that fail by errno.
final class OpenedFile {
    struct Failure: Error, CustomStringConvertible {
        let call: String
        let errno: Int32
        var description: String { "\(call): \(String(cString: strerror(errno)))" }
    }

    let descriptor: Int32

    init(_ path: String, _ flags: Int32) throws {
        descriptor = open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(call: "open \(path)", errno: errno) }
    }

    deinit { close(descriptor) }

    func read(at offset: Int, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, count - done, off_t(offset + done))
            }
            guard got >= 0 else { throw Failure(call: "pread", errno: errno) }
            if got == 0 { break }
            done += got
        }
        return Array(bytes[..<done])
    }

    /// How many bytes it took.
    @discardableResult
    func write(_ bytes: [UInt8], at offset: Int) throws -> Int {
        let count = pwrite(descriptor, bytes, bytes.count, off_t(offset))
        guard count >= 0 else { throw Failure(call: "pwrite", errno: errno) }
        return count
    }

    func synchronize() throws {
        guard fsync(descriptor) == 0 else { throw Failure(call: "fsync", errno: errno) }
    }

    /// `whence`: 3 is SEEK_DATA, 4 is SEEK_HOLE.
    func seek(_ offset: Int, _ whence: Int32) throws -> Int {
        let position = lseek(descriptor, off_t(offset), whence)
        guard position >= 0 else { throw Failure(call: "lseek", errno: errno) }
        return Int(position)
    }

    func truncate(to size: Int) throws {
        guard ftruncate(descriptor, off_t(size)) == 0 else {
            throw Failure(call: "ftruncate", errno: errno)
        }
    }

    func status() throws -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Failure(call: "fstat", errno: errno) }
        return status
    }

    /// The modes of fallocate(2), without FALLOC_FL_KEEP_SIZE where that has a choice.
    enum Allocation: Int32 {
        /// FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
        case punch = 0x03
        /// FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE
        case zero = 0x11
    }

    func allocate(_ mode: Allocation, _ offset: Int, _ length: Int) throws {
        typealias Call = @convention(c) (Int32, Int32, off_t, off_t) -> Int32
        // Glibc has it since 2.10, with this signature; Swift's module of it leaves it out.
        let call = unsafeBitCast(dlsym(nil, "fallocate"), to: Call.self)
        guard call(descriptor, mode.rawValue, off_t(offset), off_t(length)) == 0 else {
            throw Failure(call: "fallocate", errno: errno)
        }
    }
}
