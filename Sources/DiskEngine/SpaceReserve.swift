import ChunkStore

/// Space that stands aside for discards, checkpoints and manifests, so that a full store can always
/// be freed. Data gets `noSpace` before it is touched.
final class SpaceReserve: @unchecked Sendable {
    // @unchecked: `held` is accessed under `monitor`.
    private let monitor: Monitor
    private let store: SealedStore
    private let wanted: UInt64
    private var held: UInt64 = 0

    init(store: SealedStore, bytes: UInt64, threads: any Threads) {
        self.store = store
        wanted = bytes
        monitor = threads.makeMonitor()
    }

    var heldBytes: UInt64 { monitor.withLock { held } }

    /// Takes back what may be missing; true if all of it stands aside.
    func refill() -> Bool {
        monitor.withLock {
            if held < wanted { held = (try? store.reserve(wanted)) ?? held }
            return held >= wanted
        }
    }

    /// Gives all of it to whoever needs it now.
    func release() {
        monitor.withLock { held = (try? store.reserve(0)) ?? held }
    }
}
