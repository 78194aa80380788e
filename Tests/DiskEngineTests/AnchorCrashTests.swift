import ChunkStore
import DiskFormat
import KeyManagement
import Synchronization
import Testing

@testable import DiskEngine

/// A crash at any call of the store leaves an anchor that lags behind it or agrees with it: the
/// store is never refused.
@Suite struct AnchorCrashTests {
    /// The store and the anchor as a crash at some moment leaves them.
    private struct Moment: Sendable {
        let call: String
        let files: MemoryStore
        let anchor: [UInt8]?
    }

    /// Takes copies at each call while it is told to.
    private final class Camera: Sendable {
        let files: MemoryStore
        let anchor: InMemoryAnchor
        private let state = Mutex<(isOn: Bool, moments: [Moment])>((false, []))

        init(_ files: MemoryStore, _ anchor: InMemoryAnchor) {
            (self.files, self.anchor) = (files, anchor)
        }

        func turn(on: Bool) { state.withLock { $0.isOn = on } }
        var moments: [Moment] { state.withLock { $0.moments } }

        func take(_ call: String) {
            state.withLock { state in
                guard state.isOn else { return }
                // The anchor first: what comes between makes the store newer, never older.
                let known = anchor.bytes
                state.moments.append(Moment(call: call, files: files.copy(), anchor: known))
            }
        }
    }

    @Test(arguments: [Harness.Crash.kill, .powerCut], [false, true])
    func aCrashAtAnyCallIsNoRollback(crash: Harness.Crash, strict: Bool) throws {
        let files = MemoryStore()
        let anchor = InMemoryAnchor()
        let keys = InMemoryKMS()
        try Store.create(in: files, account: "tests", region: "here")
        let camera = Camera(files, anchor)
        let watched = FaultyStore(files) { camera.take("\($0) \($1)") }
        func open(_ files: any ChunkStore, _ anchor: InMemoryAnchor) throws -> Store {
            try Store(
                opening: files, keys: keys, holder: "tests",
                anchor: Anchoring(anchor, isStrict: strict), limits: Harness.smallLimits)
        }
        let store = try open(watched, anchor)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        camera.turn(on: true)
        try work(on: id, in: store)
        camera.turn(on: false)
        try store.close()
        let moments = camera.moments
        try #require(moments.count > 100)
        for (index, moment) in moments.enumerated() {
            if crash == .powerCut { moment.files.crash() }
            let store = try open(moment.files, InMemoryAnchor(moment.anchor))
            #expect(throws: Never.self, "at call \(index), \(moment.call)") {
                _ = try store.attach(id)
            }
            try store.close()
        }
    }

    /// Sessions, flushes, checkpoints, a snapshot made and deleted, a clone, a rollback.
    private func work(on id: DiskID, in store: Store) throws {
        for round in 0..<2 {
            let disk = try store.attach(id)
            for step in 0..<3 {
                try disk.put(pattern(30 * 4096, seed: UInt64(round * 10 + step)), at: 0)
                try disk.flush()
                try store.recordFreshness()
            }
            let snapshot = try store.createSnapshot(of: id, attributes: [:]).id
            try disk.put(pattern(4096, seed: 99), at: 4096)
            let clone = try store.createDisk(from: snapshot, size: nil, attributes: [:]).id
            try store.reset(id, to: snapshot)
            try store.attach(clone).put(pattern(4096, seed: 98), at: 0)
            try store.detach(clone)
            try store.deleteDisk(clone)
            try store.deleteSnapshot(snapshot)
            try disk.put(pattern(4096, seed: 97), at: 8192)
            try store.recordFreshness()
            try store.detach(id)
        }
    }
}
