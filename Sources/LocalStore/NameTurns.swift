import ChunkStore
import Synchronization

/// Lets those who change what has the same name do so one after the other. Who wants different
/// names never waits for another.
///
/// Invariant: `turns` has an entry for each name that somebody has or waits for, and no other.
final class NameTurns: Sendable {
    private final class Turn: Sendable {
        let lock = Mutex(())
    }

    private let turns = Mutex<[ObjectName: (turn: Turn, users: Int)]>([:])

    func withTurn<R: Sendable>(
        at name: ObjectName, _ body: () throws(StoreError) -> R
    ) throws(StoreError) -> R {
        let turn = turns.withLock { turns in
            let turn = turns[name]?.turn ?? Turn()
            turns[name] = (turn, (turns[name]?.users ?? 0) + 1)
            return turn
        }
        defer {
            turns.withLock { turns in
                let users = (turns[name]?.users ?? 1) - 1
                turns[name] = users == 0 ? nil : (turn, users)
            }
        }
        return try turn.lock.withLock { _ throws(StoreError) in try body() }
    }
}
