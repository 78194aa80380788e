import DiskFormat
import Synchronization

/// Lets one at a time open or close a disk. Attaching takes no turn among the actions that change
/// something, since it may take long: it waits here for others that attach the same disk, and who
/// would close it does not wait for it.
final class DiskTurns: Sendable {
    private final class Turn: Sendable {
        let mutex = Mutex<Void>(())
    }

    /// Those that are taken or waited for, and by how many.
    private let turns = Mutex<[DiskID: (turn: Turn, users: Int)]>([:])

    func wait<R: Sendable>(
        for disk: DiskID, _ work: () throws(Refusal) -> R
    ) throws(Refusal) -> R {
        let turn = join(disk)
        defer { leave(disk) }
        return try turn.mutex.withLock { _ throws(Refusal) in try work() }
    }

    /// nil, and nothing is done, if somebody opens or closes the disk at this moment.
    func ifFree<R: Sendable>(
        _ disk: DiskID, _ work: () throws(Refusal) -> R
    ) throws(Refusal) -> R? {
        let turn = join(disk)
        defer { leave(disk) }
        return try turn.mutex.withLockIfAvailable { _ throws(Refusal) in try work() }
    }

    private func join(_ disk: DiskID) -> Turn {
        turns.withLock { turns in
            let (turn, users) = turns[disk] ?? (Turn(), 0)
            turns[disk] = (turn, users + 1)
            return turn
        }
    }

    private func leave(_ disk: DiskID) {
        turns.withLock { turns in
            guard let (turn, users) = turns[disk] else { return }
            turns[disk] = users > 1 ? (turn, users - 1) : nil
        }
    }
}
