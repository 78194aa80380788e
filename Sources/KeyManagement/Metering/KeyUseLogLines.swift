import Glibc

/// The lines of a log's file, one after another.
struct KeyUseLogLines: ~Copyable {
    /// More than any line has: what is longer comes in pieces.
    private static let longest = 1 << 20
    private static let step = 1 << 16

    private let file: FileDescriptor
    /// Bytes of the file that are not read yet.
    private var rest: Int
    private var buffer: [UInt8] = []
    private var position = 0

    /// A line without its end; `isWhole` is false for what stands behind the last end.
    struct Line {
        let bytes: ArraySlice<UInt8>
        let isWhole: Bool
    }

    /// nil if there is no such file. Throws `.io`.
    init?(_ path: String) throws(KeyError) {
        guard let file = try FileDescriptor.openIfPresent(path, O_RDONLY | O_NONBLOCK) else {
            return nil
        }
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw KeyError(.io, "\(path) is not a regular file")
        }
        self.file = file
        // What is appended later is not looked at.
        rest = Int(status.st_size)
    }

    /// nil at the end. Throws `.io`.
    mutating func next() throws(KeyError) -> Line? {
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { position = end + 1 }
                return Line(bytes: buffer[position..<end], isWhole: true)
            }
            if buffer.count - position >= Self.longest { break }
            buffer.removeFirst(position)
            position = 0
            searched = buffer.count
            let more = try file.read(next: min(Self.step, rest))
            if more.isEmpty { break }
            rest -= more.count
            buffer += more
        }
        guard position < buffer.count else { return nil }
        defer { position = buffer.count }
        return Line(bytes: buffer[position...], isWhole: false)
    }
}

/// The end of a log's file: its last whole line.
struct KeyUseLogEnd {
    private static let longest = 1 << 24

    /// Bytes of all whole lines.
    let length: Int
    /// Bytes of the file.
    let size: Int
    /// nil if the last line is not chained, or there is none.
    let line: ChainedLine?

    /// Throws `.io`, also if what is there cannot be a log.
    init(of file: borrowing FileDescriptor) throws(KeyError) {
        size = Int(try file.status().st_size)
        var window = 1 << 13
        while true {
            let start = max(0, size - window)
            let bytes = try file.read(at: start, count: size - start)
            let end = bytes.lastIndex(of: UInt8(ascii: "\n"))
            let begin = end.flatMap { bytes[..<$0].lastIndex(of: UInt8(ascii: "\n")) }
            if let end, begin != nil || start == 0 {
                length = start + end + 1
                line = try ChainedLine(bytes[(begin.map { $0 + 1 } ?? 0)..<end])
                return
            }
            if start == 0 {
                length = 0
                line = nil
                return
            }
            guard window < Self.longest else {
                throw KeyError(
                    .io, "\(file.path) is no key-use log: a line is too long; move it away")
            }
            window *= 8
        }
    }
}

extension FileDescriptor {
    /// Up to `count` bytes from `offset` on, fewer only at the end of the file.
    borrowing func read(at offset: Int, count: Int) throws(KeyError) -> [UInt8] {
        guard lseek(number, off_t(offset), SEEK_SET) >= 0 else {
            throw KeyError.system("read", path)
        }
        return try read(next: count)
    }

    /// Up to `count` of the next bytes, fewer only at the end of the file.
    borrowing func read(next count: Int) throws(KeyError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard count > 0 else { return [] }
        let done = try withRawBytes(of: &bytes) { (buffer) throws(KeyError) in
            try read(into: buffer)
        }
        bytes.removeLast(count - done)
        return bytes
    }
}
