import DiskFormat
import Glibc

/// An open handle on `import`: the bytes of one sealed snapshot go in by write(2), in order, and
/// reads give the reply once it is there, or was refused.
///
/// The write that brings the last frame is answered when the snapshot is there, and a close before
/// that is told of: so `cat FILE > import` succeeds if, and only if, the import does. A handle that
/// is gone before leaves what it brought for the next.
///
/// Each write waits until its bytes were used, which happens on a thread of the import's own: none
/// that serves the kernel waits for the KMS.
public final class ImportConversation: Sendable {
    public typealias Answer = @Sendable (Result<Int, FileError>) -> Void

    private let desk: ImportDesk
    private let line = Watched(ImportLine())

    /// `reply`, from `position` on, is what is left to be read of an earlier one's.
    init(_ desk: ImportDesk, reply: ControlAnswer? = nil, position: Int = 0) {
        self.desk = desk
        guard let reply else { return }
        line.withLock { line in
            line.hasBegun = true
            line.reply = reply
            line.position = min(position, reply.bytes.count)
        }
    }

    /// What another of this kind goes on with. An import that is under way is handed over by
    /// nobody (`Namespace.hindrance`).
    var handover: OpenFileState {
        line.withLock { line in
            .intake(
                reply: line.reply?.bytes, errno: line.reply?.errno ?? 0, position: line.position)
        }
    }

    deinit { line.withLock { $0.isClosed = true } }

    /// Takes the file's next bytes, and calls `answer`, once, when they were used: with how many
    /// of them, fewer if the file ended before. On this thread if they cannot be taken at all.
    public func submit(_ bytes: [UInt8], answer: @escaping Answer) {
        let isFirst = line.withLock { line in
            defer { line.hasBegun = true }
            return !line.hasBegun
        }
        if isFirst { desk.begin(line) }
        let reply = line.withLock { line in
            if line.reply == nil { line.pieces.append(.init(bytes: bytes, answer: answer)) }
            return line.reply
        }
        guard let reply else { return }
        answer(
            .failure(
                FileError(
                    reply.errno == 0 ? EINVAL : reply.errno, "this handle's import is over")))
    }

    /// A descriptor of the handle is closed; others may be left. Throws EIO if the file is not
    /// whole.
    func demandEnd() throws(FileError) {
        let isPart = line.withLock { $0.hasBegun && $0.reply == nil }
        if isPart { throw FileError(EIO, "closed before the sealed snapshot was whole") }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        line.withLock { line in
            let rest = (line.reply?.bytes ?? [])[line.position...].prefix(buffer.count)
            buffer.copyBytes(from: rest)
            line.position += rest.count
            return rest.count
        }
    }
}

/// What is between those who write to a handle and the thread that imports.
struct ImportLine: Sendable {
    struct Piece: Sendable {
        let bytes: [UInt8]
        var used = 0
        let answer: ImportConversation.Answer
    }

    var pieces: [Piece] = []
    var hasBegun = false
    /// Nothing more will come.
    var isClosed = false
    /// What became of it; then nothing is taken any more.
    var reply: ControlAnswer?
    var position = 0

    /// Whether who reads need not wait.
    var isReady: Bool { isClosed || pieces.contains { $0.used < $0.bytes.count } }

    /// Takes the first piece out if it is used up.
    mutating func takeUsed() -> Piece? {
        guard let first = pieces.first, first.used == first.bytes.count else { return nil }
        return pieces.removeFirst()
    }

    mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard !pieces.isEmpty else { return 0 }
        let piece = pieces[0].bytes[pieces[0].used...].prefix(buffer.count)
        buffer.copyBytes(from: piece)
        pieces[0].used += piece.count
        return piece.count
    }
}

extension Watched<ImportLine> {
    /// Fills the buffer with what comes, fewer bytes only at the end. A write whose bytes are used
    /// up is answered when more is asked for: until then it may still fail.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var count = 0
        while count < buffer.count {
            while let used = withLock({ $0.takeUsed() }) { used.answer(.success(used.used)) }
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            let more = when {
                $0.isReady
            } _: {
                $0.fill(rest)
            }
            if more == 0 { break }
            count += more
        }
        return count
    }

    /// What became of it is told to all who wait. Of a last write, what was not used is given back.
    func conclude(_ reply: ControlAnswer) {
        let left = withLock { line in
            line.reply = reply
            defer { line.pieces = [] }
            return line.pieces
        }
        for (index, piece) in left.enumerated() {
            let isTaken = reply.errno == 0 && index == 0
            piece.answer(
                isTaken
                    ? .success(piece.used)
                    : .failure(
                        FileError(reply.errno == 0 ? EINVAL : reply.errno, "not imported")))
        }
    }
}
