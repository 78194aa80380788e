import ChunkStore
import DiskFormat
import KeyManagement
import Synchronization
import Testing

@testable import DiskEngine

/// What is read next is fetched while the medium is waited for anyway.
@Suite struct PrefetchTests {
    /// A store on a medium that is always waited for.
    private final class SlowStore: ForwardingStore {
        let base: any ChunkStore = MemoryStore()
        /// How far away the medium is.
        let readUnit: UInt64
        /// Whether reads say that they wait, and the ranges that were asked for ahead.
        let isCold = Atomic<Bool>(false)
        let fetched = Mutex<[Range<UInt64>]>([])

        init(readUnit: UInt64 = 0) { self.readUnit = readUnit }

        private final class SlowFile: ChunkFile {
            let base: any ChunkFile
            let store: SlowStore

            init(_ base: any ChunkFile, _ store: SlowStore) {
                self.base = base
                self.store = store
            }

            func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64)
                throws(StoreError) -> Int
            {
                try base.read(into: buffer, at: offset)
            }
            func read(
                into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64,
                beforeWaiting: () -> Void
            ) throws(StoreError) -> Int {
                if store.isCold.load(ordering: .relaxed) { beforeWaiting() }
                return try base.read(into: buffer, at: offset)
            }
            func prefetch(at offset: UInt64, length: UInt64) {
                store.fetched.withLock { $0.append(offset..<offset + length) }
            }
            var readUnit: UInt64 { store.readUnit }
            func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
                try base.write(buffer, at: offset)
            }
            func synchronize() throws(StoreError) { try base.synchronize() }
            func dropCache() throws(StoreError) { try base.dropCache() }
            func deallocate(at offset: UInt64, length: UInt64) throws(StoreError) {
                try base.deallocate(at: offset, length: length)
            }
            func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) {
                try base.size()
            }
        }

        func createFile(_ name: ObjectName, length: UInt64, beginning: [UInt8])
            throws(StoreError) -> any ChunkFile
        {
            SlowFile(try base.createFile(name, length: length, beginning: beginning), self)
        }
        func recycleFile(
            _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8],
            blank: UInt64
        ) throws(StoreError) -> any ChunkFile {
            let file = try base.recycleFile(
                old, as: name, length: length, beginning: beginning, blank: blank)
            return SlowFile(file, self)
        }
        func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
            SlowFile(try base.openFile(name), self)
        }
    }

    @Test func whatLiesScatteredIsFetchedAtTheSameTime() throws {
        let slow = SlowStore()
        try Store.create(in: slow, account: "tests", region: "here")
        let store = try Store(
            opening: slow, keys: InMemoryKMS(), holder: "tests", limits: Harness.smallLimits)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let disk = try store.attach(id)
        // Every other block anew, backwards: no two of them lie side by side.
        var expected = pattern(16 * 4096, seed: 1)
        try disk.put(expected, at: 0)
        for block in stride(from: 14, through: 0, by: -2) {
            let bytes = pattern(4096, seed: UInt64(100 + block))
            try disk.put(bytes, at: UInt64(block * 4096))
            expected.replaceSubrange(block * 4096..<(block + 1) * 4096, with: bytes)
        }
        #expect(try disk.bytes(0, 16 * 4096) == expected)
        #expect(slow.fetched.withLock { $0 } == [], "nothing is fetched that is at hand")

        slow.isCold.store(true, ordering: .relaxed)
        #expect(try disk.bytes(0, 16 * 4096) == expected)
        // Each block once by its own read, when its entry had to wait; before that all of them but
        // the first, each with its neighbours in the chunk.
        let alone = slow.fetched.withLock { $0.filter { $0.count == 4096 } }
        #expect(alone.count == 16 && Set(alone).count == 16)
        let together = slow.fetched.withLock { $0.filter { $0.count == 4 * 4096 } }
        #expect(together.count == 15)
        #expect(
            alone[1...].allSatisfy { block in
                together.contains {
                    $0.contains(block.lowerBound) && $0.contains(block.upperBound - 1)
                }
            })

        slow.fetched.withLock { $0 = [] }
        #expect(try disk.bytes(4096, 4096) == Array(expected[4096..<8192]))
        #expect(slow.fetched.withLock { $0.count } == 1, "a single block's body, with its entry")
        try store.close()
    }

    /// Of a medium far away one read brings the entries around, and another the map's pages around:
    /// those that follow wait for their bodies alone.
    @Test(arguments: [UInt64(0), 64 << 10])
    func whatIsFarAwayComesInPieces(unit: UInt64) throws {
        let slow = SlowStore(readUnit: unit)
        try Store.create(in: slow, account: "tests", region: "here")
        let keys = InMemoryKMS()
        let store = try Store(
            opening: slow, keys: keys, holder: "tests", limits: Harness.smallLimits)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let disk = try store.attach(id)
        try disk.put(pattern(16 * 4096, seed: 1), at: 0)
        try store.close()

        let again = try Store(
            opening: slow, keys: keys, holder: "tests", limits: Harness.smallLimits)
        let found = try again.attach(id)
        slow.isCold.store(true, ordering: .relaxed)
        slow.fetched.withLock { $0 = [] }
        #expect(try found.bytes(4096, 4096) == Array(pattern(16 * 4096, seed: 1)[4096..<8192]))
        let fetched = slow.fetched.withLock { $0 }
        let entries = fetched.filter { $0.lowerBound == 4096 && $0.count > 32 }
        // More than one block of bodies: beside the map's pages.
        let bodies = fetched.filter { $0.lowerBound > 4096 && $0.count > 4096 }
        #expect(entries.isEmpty == (unit == 0), "\(fetched)")
        #expect(bodies.isEmpty == (unit == 0), "\(fetched)")
        #expect(fetched.allSatisfy { UInt64($0.count) <= max(unit, 4096) })
        try again.close()
    }
}
