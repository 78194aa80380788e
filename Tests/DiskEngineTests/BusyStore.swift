import ChunkStore
import Glibc
import Synchronization

/// A store that has no lull while it is busy.
final class BusyStore: ForwardingStore {
    let base: any ChunkStore
    private let state = State()

    private final class State: Sendable {
        let isBusy = Atomic<Bool>(false)
        let waiting = Atomic<Int>(0)
        let calls = Atomic<Int>(0)
        let selfContained = Atomic<Int>(0)
    }

    init(_ base: any ChunkStore) { self.base = base }

    var isBusy: Bool {
        get { state.isBusy.load(ordering: .acquiring) }
        set { state.isBusy.store(newValue, ordering: .releasing) }
    }
    /// How many wait for a lull.
    var waiting: Int { state.waiting.load(ordering: .acquiring) }
    /// How many have waited for one.
    var calls: Int { state.calls.load(ordering: .acquiring) }
    /// How many objects were replaced that say nothing of chunks.
    var selfContained: Int { state.selfContained.load(ordering: .acquiring) }

    func awaitLull(while isWanted: () -> Bool) {
        state.calls.add(1, ordering: .acquiringAndReleasing)
        state.waiting.add(1, ordering: .acquiringAndReleasing)
        while isBusy, isWanted() { usleep(1000) }
        state.waiting.subtract(1, ordering: .acquiringAndReleasing)
    }

    func replaceSelfContainedObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        state.selfContained.add(1, ordering: .acquiringAndReleasing)
        return try base.replaceSelfContainedObject(name, with: bytes, if: condition)
    }
}
