import DiskEngine
import Glibc

/// What became of a write: how many bytes it took, and whether that is to be told yet.
public struct SubmittedWrite: Sendable {
    public typealias Answer = @Sendable (Result<Int, FileError>) -> Void

    public let count: Int
    /// Not acknowledged yet: calls back, once, when it is or cannot be. nil: it is.
    public let whenDone: (@Sendable (@escaping Answer) -> Void)?

    init(count: Int, whenDone: (@Sendable (@escaping Answer) -> Void)? = nil) {
        self.count = count
        self.whenDone = whenDone
    }
}

/// An open file of an attached disk. Counts as a handle on it for as long as it lives.
public final class OpenDisk: Sendable {
    let disk: Disk
    private let opens: OpenTable
    let isCounted: Bool
    private let time: ChangeTime
    private let faults: FaultLog
    private let limit: SpeedLimit
    private let delays: DelayedAnswers
    private let counters: DiskCounters

    /// `isCounted`: `opens` was told of this handle, and is told of its end.
    init(
        _ disk: Disk, opens: OpenTable, isCounted: Bool, limit: SpeedLimit, delays: DelayedAnswers,
        counters: DiskCounters, time: ChangeTime, faults: FaultLog
    ) {
        self.counters = counters
        self.limit = limit
        self.delays = delays
        self.disk = disk
        self.opens = opens
        self.isCounted = isCounted
        self.time = time
        self.faults = faults
    }

    /// The same for an errand of the mount's own, which does not count as a user. For a handle that
    /// goes at once: its own count ends with it.
    func uncounted() -> OpenDisk {
        OpenDisk(
            disk, opens: opens, isCounted: false, limit: limit, delays: delays, counters: counters,
            time: time,
            faults: faults)
    }

    deinit {
        if isCounted { opens.leave(.disk(disk.id)) }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError)
        -> Int
    {
        let count = clamp(buffer.count, at: offset)
        guard count > 0 else { return 0 }
        try counters.counting(.read, at: offset, bytes: count) { () throws(FileError) in
            try run("read", at: offset) {
                try disk.read(into: .init(rebasing: buffer[..<count]), at: offset)
            }
        }
        return count
    }

    /// Like a block device: a write across the end is short, one at the end has no space.
    func submit(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError)
        -> SubmittedWrite
    {
        guard !buffer.isEmpty else { return SubmittedWrite(count: 0) }
        let count = clamp(buffer.count, at: offset)
        guard count > 0 else {
            throw FileError(ENOSPC, "write at byte \(offset), the end of disk \(disk.id)")
        }
        let request = counters.begin(.write, at: offset, bytes: count)
        let pending = try failing(request) { () throws(FileError) in
            try run("write", at: offset) {
                try disk.submit(.init(rebasing: buffer[..<count]), at: offset)
            }
        }
        if pending == nil { counters.end(request) }
        time.touch()
        let due = limit.deadline(bytes: count)
        guard pending != nil || due != nil else { return SubmittedWrite(count: count) }
        if let due { counters.delayed(until: due) }
        return SubmittedWrite(count: count) { answer in
            self.whenDone(pending, request, count, at: offset) { result in
                guard let due else { return answer(result) }
                self.delays.at(due) { answer(result) }
            }
        }
    }

    private func whenDone(
        _ pending: PendingWrite?, _ request: DiskCounters.Begun, _ count: Int,
        at offset: UInt64,
        _ answer: @escaping SubmittedWrite.Answer
    ) {
        guard let pending else { return answer(.success(count)) }
        pending.whenWritten { error in
            guard let error else {
                self.counters.end(request)
                return answer(.success(count))
            }
            let failure = FileError(error)
            self.counters.end(request, errno: failure.errno)
            self.faults.report(error, "write", of: .disk(self.disk.id.text), at: offset)
            answer(.failure(failure))
        }
    }

    /// How long the answer to a read of so many bytes is held back; nil: not at all.
    func delay(ofRead count: Int) -> AnswerDelay? {
        limit.deadline(bytes: count).map { due in
            counters.delayed(until: due)
            return AnswerDelay(due: due, answers: delays)
        }
    }

    func synchronize() throws(FileError) {
        try counters.counting(.flush, at: 0, bytes: 0) { () throws(FileError) in
            try run("flush", at: 0) { try disk.flush() }
        }
    }

    func allocate(_ change: SpaceChange, at offset: UInt64, length: UInt64) throws(FileError) {
        let size = disk.size
        guard length > 0 else { throw FileError(EINVAL, "a range of no length") }
        let (end, isTooFar) = offset.addingReportingOverflow(length)
        guard !isTooFar else { throw FileError(EFBIG, "a range beyond every size") }
        if case .zero(keepsSize: false) = change, end > size {
            throw FileError(ENOSPC, "zeroing to byte \(end) beyond the end of disk \(disk.id)")
        }
        guard offset < size else { return }
        let count = min(end, size) - offset
        switch change {
        case .punch:
            try counters.counting(.discard, at: offset, bytes: Int(count)) {
                () throws(FileError) in
                try run("discard", at: offset) { try disk.discard(at: offset, length: count) }
            }
        case .zero:
            try counters.counting(.writeZeroes, at: offset, bytes: Int(count)) {
                () throws(FileError) in
                try run("write zeroes", at: offset) {
                    try disk.writeZeroes(at: offset, length: count)
                }
            }
        }
        time.touch()
    }

    func seek(_ target: SeekTarget, from offset: UInt64) throws(FileError) -> UInt64 {
        guard offset < disk.size else { throw FileError(ENXIO, "seek beyond the end") }
        return try run("seek", at: offset) {
            switch target {
            case .data: try disk.nextData(from: offset)
            case .hole: try disk.nextHole(from: offset)
            }
        }.orBeyondEnd()
    }

    private func clamp(_ count: Int, at offset: UInt64) -> Int {
        let size = disk.size
        return offset < size ? Int(min(UInt64(count), size - offset)) : 0
    }

    /// Counts the request as failed if `body` fails; else it is still to be ended.
    private func failing<R>(
        _ request: DiskCounters.Begun, _ body: () throws(FileError) -> R
    ) throws(FileError) -> R {
        do throws(FileError) {
            return try body()
        } catch {
            counters.end(request, errno: error.errno)
            throw error
        }
    }

    private func run<Result>(
        _ operation: String, at offset: UInt64, _ body: () throws -> Result
    ) throws(FileError) -> Result {
        try faults.guarding(operation, of: .disk(disk.id.text), at: offset, body)
    }
}
