import DiskFormat
import Glibc

/// How many handles are open on each disk and snapshot, and which disks may not be opened now.
///
/// Invariant: while a disk is blocked its count never grows; `block` returns only at count 0.
final class OpenTable: Sendable {
    enum Resource: Hashable, Sendable {
        case disk(DiskID)
        case snapshot(SnapshotID)
    }

    private struct State: Sendable {
        var counts: [Resource: Int] = [:]
        var blocked: Set<DiskID> = []

        func count(_ resource: Resource) -> Int { counts[resource] ?? 0 }
    }

    private let state = Watched(State())

    /// Counts one more handle. Throws EBUSY while the disk is blocked.
    func enter(_ resource: Resource) throws(FileError) {
        try state.withLock { state throws(FileError) in
            if case .disk(let id) = resource, state.blocked.contains(id) {
                throw FileError(EBUSY, "disk \(id) is being detached or reset: open it afterwards")
            }
            state.counts[resource, default: 0] += 1
        }
    }

    func leave(_ resource: Resource) {
        state.withLock { state in
            let rest = state.count(resource) - 1
            state.counts[resource] = rest > 0 ? rest : nil
        }
    }

    func count(_ resource: Resource) -> Int {
        state.withLock { $0.count(resource) }
    }

    /// Handles per resource; those with none are left out.
    var counts: [Resource: Int] { state.withLock { $0.counts } }

    /// The same, once none is left or `patience` (seconds) is over: the kernel releases a handle
    /// some time after its close.
    func settledCounts(patience: Double) -> [Resource: Int] {
        state.within(seconds: patience) {
            $0.counts.isEmpty
        } _: { state, _ in
            state.counts
        }
    }

    /// From here on the disk is not opened. Waits up to `patience` seconds for its handles to
    /// close; with some left then, opens are allowed again and the number left is thrown.
    func block(_ disk: DiskID, patience: Double) throws(StillOpen) {
        state.withLock { _ = $0.blocked.insert(disk) }
        try state.within(seconds: patience) {
            $0.count(.disk(disk)) == 0
        } _: {
            state, isClosed throws(StillOpen) in
            guard !isClosed else { return }
            state.blocked.remove(disk)
            throw StillOpen(handles: state.count(.disk(disk)))
        }
    }

    func allow(_ disk: DiskID) {
        state.withLock { _ = $0.blocked.remove(disk) }
    }

    struct StillOpen: Error {
        let handles: Int
    }
}
