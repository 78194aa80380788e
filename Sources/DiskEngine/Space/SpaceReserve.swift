import ChunkStore
import DiskFormat
import Scheduling
import Synchronization

/// Space that stands aside for discards, checkpoints and manifests, so that a full store can always
/// be freed. Data gets `noSpace` before it is touched.
final class SpaceReserve: @unchecked Sendable {
    // @unchecked: `held` changes under `monitor`, which is held through the store's calls, and is
    // read without it: whoever asks for figures must not wait for the medium.
    private let monitor: Monitor
    private let files: any ChunkStore
    private let name: ObjectName
    private let wanted: UInt64
    private let held = Atomic<UInt64>(0)

    init(files: any ChunkStore, bytes: UInt64, threads: any Threads) {
        self.files = files
        name = ObjectName(StoreLayout.reserve)!  // a constant that is a valid name
        wanted = bytes
        monitor = threads.makeMonitor()
    }

    var heldBytes: UInt64 { held.load(ordering: .relaxed) }

    /// Sets aside what is missing; true if all of it stands aside then.
    @discardableResult
    func refill() -> Bool {
        monitor.withLock {
            fill()
            return heldBytes >= wanted
        }
    }

    /// Runs `body` with the reserve's space free for it, and sets the rest aside again at once, so
    /// that nobody else can take it. One loan at a time.
    func lend<R>(_ body: () throws -> R) rethrows -> R {
        try monitor.withLock {
            setAside(0)
            defer { fill() }
            return try body()
        }
    }

    /// Runs `body`, which takes space for data, at no time when the reserve's own is lent: it would
    /// take of that.
    func whileNothingIsLent<R>(_ body: () throws -> R) rethrows -> R {
        try monitor.withLock(body)
    }

    /// A reserve that cannot be filled shows in the status, and data writes are refused.
    private func fill() {
        if heldBytes < wanted { setAside(wanted) }
    }

    private func setAside(_ bytes: UInt64) {
        guard let now = try? files.reserve(bytes, name: name) else { return }
        held.store(now, ordering: .relaxed)
    }
}
