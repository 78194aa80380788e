import DiskFormat
import Synchronization

/// What is counted of the requests of one disk since the mount was made, detached meanwhile or not.
final class DiskCounters: Sendable {
    let read = RequestCounters()
    let write = RequestCounters()
    let flush = RequestCounters()
    let discard = RequestCounters()
    let writeZeroes = RequestCounters()
    let tracer = DiskTracer()
    private let delays = Atomic<UInt64>(0)
    private let delayNanoseconds = Atomic<UInt64>(0)

    /// With the names that figures show.
    var operations: [(name: String, counts: RequestCounters.Counts)] {
        DiskOperation.allCases.map { ($0.name, self[$0].counts) }
    }

    subscript(operation: DiskOperation) -> RequestCounters {
        switch operation {
        case .read: read
        case .write: write
        case .flush: flush
        case .discard: discard
        case .writeZeroes: writeZeroes
        }
    }

    /// A request that was begun and has to be ended.
    struct Begun: Sendable {
        fileprivate let operation: DiskOperation
        fileprivate let offset: UInt64
        fileprivate let length: Int
        fileprivate let count: RequestCounters.Begun
    }

    @inline(__always)
    func begin(_ operation: DiskOperation, at offset: UInt64, bytes: Int) -> Begun {
        Begun(
            operation: operation, offset: offset, length: bytes, count: self[operation].begin())
    }

    /// It is answered: with all its bytes, or with an errno.
    @inline(__always)
    func end(_ request: Begun, errno: Int32 = 0) {
        let counters = self[request.operation]
        let time =
            errno == 0
            ? counters.end(request.count, bytes: request.length) : counters.fail(request.count)
        if tracer.isOn { trace(request, time, errno) }
    }

    /// Counts what `body` does as a request of so many bytes.
    @inline(__always)
    func counting<R>(
        _ operation: DiskOperation, at offset: UInt64, bytes: Int,
        _ body: () throws(FileError) -> R
    ) throws(FileError) -> R {
        let request = begin(operation, at: offset, bytes: bytes)
        do throws(FileError) {
            let result = try body()
            end(request)
            return result
        } catch {
            end(request, errno: error.errno)
            throw error
        }
    }

    @inline(never)
    private func trace(_ request: Begun, _ nanoseconds: UInt64, _ errno: Int32) {
        tracer.note(
            TraceRecord(
                time: TraceRecord.now() - Int64(clamping: nanoseconds), offset: request.offset,
                length: UInt64(request.length), nanoseconds: nanoseconds, errno: errno,
                operation: request.operation))
    }

    /// An answer is held back until `due` (monotonic, nanoseconds) by the disk's speed.
    func delayed(until due: UInt64) {
        let now = monotonicNanoseconds()
        delays.add(1, ordering: .relaxed)
        delayNanoseconds.add(due - min(due, now), ordering: .relaxed)
    }

    var delayed: (count: UInt64, nanoseconds: UInt64) {
        (delays.load(ordering: .relaxed), delayNanoseconds.load(ordering: .relaxed))
    }
}

/// The counters of all disks that were opened, and of what snapshots were read.
final class Counters: Sendable {
    /// Of all snapshots together: there may be thousands.
    let snapshotReads = RequestCounters()
    let sealedReads = RequestCounters()
    private let disks = Mutex<[DiskID: DiskCounters]>([:])

    func of(_ disk: DiskID) -> DiskCounters {
        disks.withLock { disks in
            if let known = disks[disk] { return known }
            let new = DiskCounters()
            disks[disk] = new
            return new
        }
    }

    func forget(_ disk: DiskID) { disks.withLock { $0[disk] = nil } }

    /// By id.
    var all: [(id: DiskID, counters: DiskCounters)] {
        disks.withLock { $0.map { ($0.key, $0.value) } }.sorted { $0.0 < $1.0 }
    }
}
