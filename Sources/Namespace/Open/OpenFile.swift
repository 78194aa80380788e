import DiskEngine
import Glibc

/// An open file of the tree; closed when its last reference goes.
public enum OpenFile: Sendable {
    case disk(OpenDisk)
    case snapshot(OpenSnapshot)
    case sealed(OpenSealedFile)
    case text(OpenText)
    case control(ControlConversation)
    case intake(ImportConversation)
    case trace(OpenTrace)
    /// What was open, and could not be opened again when the store was: every access fails.
    case lost

    /// Fills `buffer` from `offset` (bytes); short at the end, 0 behind it.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64)
        throws(FileError) -> Int
    {
        switch self {
        case .disk(let file): try file.read(into: buffer, at: offset)
        case .snapshot(let file): try file.read(into: buffer, at: offset)
        case .sealed(let file): try file.read(into: buffer, at: offset)
        case .text(let file): file.read(into: buffer, at: offset)
        case .control(let file): file.read(into: buffer)
        case .intake(let file): file.read(into: buffer)
        case .trace(let file): file.read(into: buffer)
        case .lost: throw Self.isLost
        }
    }

    /// How long the answer to a read of so many bytes is held back; nil, as for all but a disk that
    /// is held to a speed: not at all.
    public func delay(ofRead count: Int) -> AnswerDelay? {
        if case .disk(let file) = self { file.delay(ofRead: count) } else { nil }
    }

    /// Writes to a disk, and may answer later. (`control` and `import` take what is written through
    /// a `submit` of their own.) `buffer` may be used again when this returns.
    public func submit(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError)
        -> SubmittedWrite
    {
        if case .lost = self { throw Self.isLost }
        guard case .disk(let file) = self else {
            throw FileError(EBADF, "this file is not written at an offset")
        }
        return try file.submit(buffer, at: offset)
    }

    /// Makes what was written durable.
    public func synchronize() throws(FileError) {
        switch self {
        case .disk(let file): try file.synchronize()
        case .lost: throw Self.isLost
        default: break
        }
    }

    /// A descriptor is closed. Throws what the caller of close(2) must hear.
    public func flush() throws(FileError) {
        if case .intake(let file) = self { try file.demandEnd() }
    }

    /// Whether `flush` may have something to say.
    public var isFlushed: Bool { if case .intake = self { true } else { false } }

    /// Punches a hole or zeroes a range; both read as zeros afterwards.
    public func allocate(_ change: SpaceChange, at offset: UInt64, length: UInt64)
        throws(FileError)
    {
        switch self {
        case .disk(let file): try file.allocate(change, at: offset, length: length)
        case .snapshot, .sealed: throw FileError(EROFS, "a snapshot does not change")
        case .lost: throw Self.isLost
        default: throw FileError(EOPNOTSUPP, "this file has no space of its own")
        }
    }

    /// SEEK_DATA and SEEK_HOLE: the next byte from `offset` on that is data, or is not.
    /// ENXIO: there is none before the end.
    public func seek(_ target: SeekTarget, from offset: UInt64) throws(FileError) -> UInt64 {
        switch self {
        case .disk(let file): return try file.seek(target, from: offset)
        case .snapshot(let file): return try file.seek(target, from: offset)
        case .sealed(let file):
            guard let size = file.size else { throw Self.noPositions }
            return try target.position(from: offset, inDataOf: size)
        case .text(let file):
            return try target.position(from: offset, inDataOf: UInt64(file.bytes.count))
        case .control, .intake, .trace: throw Self.noPositions
        case .lost: throw Self.isLost
        }
    }

    private static var isLost: FileError {
        FileError(EIO, "it could not be opened again with the store")
    }

    private static var noPositions: FileError { FileError(ESPIPE, "a stream has no positions") }
}

/// What fallocate(2) can do here. Disks are thin: space cannot be promised ahead, so plain
/// preallocation is not among it.
public enum SpaceChange: Sendable, Hashable {
    case punch
    case zero(keepsSize: Bool)
}

public enum SeekTarget: Sendable, Hashable {
    case data, hole

    /// In a file of `size` bytes that has no holes.
    fileprivate func position(from offset: UInt64, inDataOf size: UInt64) throws(FileError)
        -> UInt64
    {
        guard offset < size else { throw FileError(ENXIO, "seek beyond the end") }
        return self == .data ? offset : size
    }
}

extension UInt64? {
    /// nil from `nextData` is "no data before the end", which lseek(2) calls ENXIO.
    func orBeyondEnd() throws(FileError) -> UInt64 {
        guard let self else { throw FileError(ENXIO, "no data before the end") }
        return self
    }
}

extension FaultLog {
    /// Runs an engine call of the data path, whose names are made only if it fails. A failure
    /// becomes an errno, and is told once per kind.
    func guarding<Result>(
        _ operation: String, of resource: @autoclosure () -> FaultLog.Resource, at offset: UInt64,
        _ body: () throws -> Result
    ) throws(FileError) -> Result {
        do {
            return try body()
        } catch let error as DiskError {
            report(error, operation, of: resource(), at: offset)
            throw FileError(error)
        } catch {
            note("\(operation) of \(resource()) at byte \(offset) failed: \(error)")
            throw FileError(EIO, "\(error)")
        }
    }
}
