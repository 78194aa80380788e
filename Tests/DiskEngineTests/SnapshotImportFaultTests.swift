import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// Imports that go wrong: what is not right does not show, and nothing else is changed.
@Suite struct SnapshotImportFaultTests {
    private static let blocks = 200

    private struct Example {
        let keys = InMemoryKMS()
        let snapshot: SnapshotID
        let content: [UInt8]
        let file: [UInt8]

        init(encrypted: Bool = true) throws {
            let harness = try Harness(keys: keys)
            let disk = try harness.disk(UInt64(blocks * 4096), encrypted: encrypted)
            try disk.put(pattern(150 * 4096, seed: 3), at: 8 * 4096)
            snapshot = try harness.store.createSnapshot(of: disk.id, attributes: [:]).id
            content = try disk.bytes()
            file = try harness.sealed(snapshot)
            try harness.store.close()
        }

        func check(_ store: Store) throws {
            let clone = try store.createDisk(from: snapshot, size: nil, attributes: [:])
            #expect(try store.attach(clone.id).bytes() == content)
        }
    }

    /// A bit of the header, of entries and tags, of bodies, of hashes, and of the last frame.
    @Test(arguments: [true, false]) func aChangedBit(encrypted: Bool) throws {
        let example = try Example(encrypted: encrypted)
        let harness = try Harness(keys: example.keys)
        var generator = SeededGenerator(seed: 4)
        let places =
            [0, 9, 13, 40, 130, 170, 200, 289, 300, 810, 4040, 4080, 4096, 4100, 8128, 8140]
            + (0..<40).map { _ in Int.random(in: 0..<example.file.count, using: &generator) }
        for place in places {
            var file = example.file
            file[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            let error = #expect(throws: DiskError.self, "byte \(place)") {
                try harness.store.importing(file)
            }
            #expect([.damaged, .keyRefused].contains(error?.code), "byte \(place): \(error!)")
            #expect(try harness.store.snapshots().isEmpty)
        }
        let longer = #expect(throws: DiskError.self) {
            try harness.store.importing(example.file + [0])
        }
        #expect("\(longer!)".contains("something follows"))
        _ = try harness.store.importing(example.file)
        try example.check(harness.store)
        try harness.store.close()
    }

    /// Hashes can be made anew by anybody: only the key tells then.
    @Test func aForgedBody() throws {
        let example = try Example()
        let harness = try Harness(keys: example.keys)
        var file = example.file
        file[4096 + 4096 + 77] ^= 1
        let end = 4096 + SealedGeometry.maximumFrameSize
        let hash = try SHA256.hash(Array(file[4096..<8160] + file[8192..<end]))
        file.replaceSubrange(4096 + 4064..<4096 + 4096, with: hash)
        let error = #expect(throws: DiskError.self) { try harness.store.importing(file) }
        #expect(error?.code == .damaged && "\(error!)".contains("not authentic"))
        #expect(try harness.store.snapshots().isEmpty)
        try harness.store.close()
    }

    @Test func aStrangersKey() throws {
        let example = try Example()
        let harness = try Harness()
        let error = #expect(throws: DiskError.self) {
            try harness.store.importing(example.file)
        }
        #expect(error?.code == .keyRefused)
        #expect(harness.files.names.allSatisfy { !$0.contains("lineages/") })
        #expect(harness.store.imports().isEmpty)
        try harness.store.close()
    }

    @Test func noFileAtAll() throws {
        let harness = try Harness()
        for file in [[], Array("hello".utf8), [UInt8](repeating: 0, count: 9000)] {
            let error = #expect(throws: DiskError.self) { try harness.store.importing(file) }
            #expect(error?.code == .damaged)
        }
        try harness.store.close()
    }

    @Test func aStoreThatIsTooSmallGoesOnWhenThereIsRoom() throws {
        let example = try Example()
        let harness = try Harness(capacity: 5 << 20, keys: example.keys)
        let filler = try harness.store.createDisk(encrypted: true, size: 4 << 20, attributes: [:])
        try harness.store.attach(filler.id)
        let full = #expect(throws: DiskError.self) {
            try harness.store.attached(filler.id)?.put(pattern(1024 * 4096, seed: 8), at: 0)
        }
        #expect(full?.code == .noSpace)
        let error = #expect(throws: DiskError.self) {
            try harness.store.importing(example.file)
        }
        #expect(error?.code == .noSpace)
        #expect(try harness.store.snapshots().isEmpty)
        try harness.store.detach(filler.id)
        try harness.store.deleteDisk(filler.id)
        harness.store.reclaimer.waitUntilIdle()
        _ = try harness.store.importing(example.file)
        try example.check(harness.store)
        try harness.store.close()
    }

    /// The process dies, or power fails, at every call an import makes of the store: then the
    /// snapshot is there in full or not at all, and the same import brings it.
    @Test(arguments: Harness.Crash.allCases) func aCrashAtEveryCall(crash: Harness.Crash) throws {
        let example = try Example()
        func rig() throws -> (MemoryStore, FaultyStore, Store) {
            let memory = MemoryStore()
            let files = FaultyStore(memory)
            try Store.create(in: files, account: "b", region: "r")
            let store = try Store(
                opening: files, keys: example.keys, holder: "t", limits: Harness.smallLimits)
            return (memory, files, store)
        }
        let all = Set(StoreOperation.allCases)
        let (_, calm, store) = try rig()
        let before = calm.count(of: all)
        _ = try store.importing(example.file)
        let calls = calm.count(of: all) - before
        try store.close()
        #expect(calls > 20)
        for call in 1...calls {
            let (memory, files, store) = try rig()
            files.arm(Fault(all, call: call, isLasting: true))
            let isDone = (try? store.importing(example.file)) != nil
            let left = memory.copy()
            if crash == .powerCut { left.crash() }
            try? store.close()
            let next = try Store(
                opening: left, keys: example.keys, holder: "t", limits: Harness.smallLimits)
            let shown = try next.snapshots().map(\.id)
            #expect(shown == [] || shown == [example.snapshot], "call \(call)")
            #expect(!isDone || shown == [example.snapshot], "call \(call): lost")
            #expect(next.damage().isEmpty, "call \(call): \(next.damage())")
            if shown.isEmpty { _ = try next.importing(example.file) }
            #expect(next.imports().isEmpty, "call \(call)")
            #expect(try next.disks().isEmpty, "call \(call)")
            try example.check(next)
            for disk in try next.disks() {
                try next.detach(disk.id)
                try next.deleteDisk(disk.id)
            }
            try next.deleteSnapshot(example.snapshot)
            next.reclaimer.waitUntilIdle()
            #expect(left.names.allSatisfy { !$0.contains("lineages/") }, "call \(call): a leak")
            try next.close()
        }
    }
}
