import ChunkStore
import Glibc
import LocalStore
import Testing

/// Stores of 4 MiB. The local one lies on a tmpfs of that size; that in Ceph in a pool with such a
/// quota, which counts late: there the others in the pool use it up.
@Suite("Contract: a full store")
struct FullStoreContract {
    /// Those that know at each moment what fits, and all.
    private static let exactKinds: [StoreKind] = geteuid() == 0 ? [.memory, .local] : [.memory]
    private static let kinds = exactKinds + [.rados]
    private static let capacity: UInt64 = 4 << 20

    private struct SmallStore {
        let files: any ChunkStore
        /// Where others share the space.
        var pool: FullPool?

        /// Others take what there is, where there are any.
        func fillByOthers() throws { try pool?.fill() }
        func leaveByOthers() throws { try pool?.makeRoom() }

        /// Nothing fits any more, whoever has it.
        func fill() throws {
            if let pool { return try pool.fill() }
            _ = try files.reserve(.max >> 1, name: try name("reserve"))
        }

        func leave() throws {
            if let pool { return try pool.makeRoom() }
            _ = try files.reserve(0, name: try name("reserve"))
        }

        /// A process that another test is starting has our files open until it executes; and a
        /// cluster tells what it has every second or so.
        func expectAvailable(
            _ bytes: UInt64, _ location: SourceLocation = #_sourceLocation
        ) throws {
            for _ in 0..<1000 where try files.capacity().available != bytes { usleep(10_000) }
            #expect(try files.capacity().available == bytes, sourceLocation: location)
        }
    }

    private func withSmallStore(
        _ kind: StoreKind, _ body: (SmallStore) throws -> Void
    ) throws {
        switch kind {
        case .rados:
            let pool = try FullPool(quota: Self.capacity)
            try body(SmallStore(files: pool.store, pool: pool))
        case .local:
            let options = ["-t", "tmpfs", "-o", "size=\(Self.capacity)", "tmpfs"]
            let mount = try MountedFolder(options)
            try body(SmallStore(files: try LocalStore.create(at: mount.path)))
            withExtendedLifetime(mount) {}
        default: try body(SmallStore(files: MemoryStore(capacity: Self.capacity)))
        }
    }

    @Test(arguments: kinds)
    func aFileThatDoesNotFitLeavesNothingBehind(kind: StoreKind) throws {
        try withSmallStore(kind) { small in
            let store = small.files
            let before = try store.capacity().available
            try small.fillByOthers()
            expect(.noSpace, about: "create a/chunk") {
                _ = try store.createFile(try name("a/chunk"), length: 5 << 20)
            }
            #expect(try store.list(try name("a")) == [])
            try small.leaveByOthers()
            try small.expectAvailable(before)
            _ = try store.createFile(try name("a/chunk"), length: 3 << 20)
            try small.expectAvailable(before - 3 << 20)
        }
    }

    @Test(arguments: kinds)
    func anObjectThatDoesNotFitLeavesTheOldOne(kind: StoreKind) throws {
        try withSmallStore(kind) { small in
            let store = small.files
            let version = try store.replaceObject(try name("a/object"), with: [1], if: .absent)
            let before = try store.capacity().available
            try small.fillByOthers()
            let large = [UInt8](repeating: 2, count: 5 << 20)
            expect(.noSpace, about: "replace a/object") {
                try store.replaceObject(try name("a/object"), with: large)
            }
            expect(.noSpace) {
                _ = try store.replaceObject(
                    try name("a/object"), with: large, if: .version(version))
            }
            expect(.noSpace) {
                _ = try store.replaceObject(try name("a/other"), with: large, if: .absent)
            }
            let found = try store.readVersioned(try name("a/object"), limit: 1)
            #expect(found == VersionedObject(bytes: [1], version: version))
            #expect(try store.list(try name("a")).map(\.name) == ["object"])
            try small.leaveByOthers()
            try small.expectAvailable(before)
        }
    }

    /// Nothing is lost, what has its space is written, and all goes on once there is room.
    @Test(arguments: kinds)
    func whatIsThereStaysAndAllGoesOnOnceThereIsRoom(kind: StoreKind) throws {
        try withSmallStore(kind) { small in
            let store = small.files
            let block = [UInt8](repeating: 1, count: 4096)
            let file = try store.createFile(try name("a/chunk"), length: 1 << 20)
            try file.write(block, at: 0)
            try store.replaceObject(try name("a/object"), with: block)
            try small.fill()
            for _ in 0..<2 {
                expect(.noSpace, about: "create a/next") {
                    _ = try store.createFile(
                        try name("a/next"), length: 1 << 20, beginning: block)
                }
            }
            try file.write([2], at: 4096)
            try file.synchronize()
            #expect(try file.bytes(4097) == block + [2])
            #expect(try store.readObject(try name("a/object"), limit: 4096) == block)
            try small.leave()
            let next = try store.createFile(
                try name("a/next"), length: 1 << 20, beginning: block)
            try next.write([3], at: (1 << 20) - 1)
            try next.synchronize()
            #expect(try store.openFile(try name("a/next")).bytes(2, at: (1 << 20) - 1) == [3])
            #expect(try store.openFile(try name("a/chunk")).bytes(4097) == block + [2])
            try store.replaceObject(try name("a/object"), with: [4])
            #expect(try store.readObject(try name("a/object"), limit: 1) == [4])
        }
    }

    @Test(arguments: exactKinds)
    func aReserveTakesWhatThereIsAndKeepsIt(kind: StoreKind) throws {
        try withSmallStore(kind) { small in
            let store = small.files
            let reserve = try name("reserve")
            #expect(try store.reserve(1 << 20, name: reserve) == 1 << 20)
            let granted = try store.reserve(64 << 20, name: reserve)
            #expect(granted > 3 << 20)
            #expect(granted <= Self.capacity)
            #expect(try store.openFile(reserve).size().length == granted)
            expect(.noSpace) { _ = try store.createFile(try name("chunk"), length: 1 << 20) }
            #expect(try store.reserve(1 << 20, name: reserve) == 1 << 20)
            _ = try store.createFile(try name("chunk"), length: 1 << 20)
        }
    }

    @Test(arguments: exactKinds)
    func aPreallocatedFileIsWrittenWhenNothingElseFits(kind: StoreKind) throws {
        try withSmallStore(kind) { small in
            let store = small.files
            let file = try store.createFile(try name("chunk"), length: 2 << 20)
            _ = try store.reserve(.max >> 1, name: try name("reserve"))
            try file.write([UInt8](repeating: 1, count: 2 << 20), at: 0)
            try file.synchronize()
            try file.deallocate(at: 0, length: 1 << 20)
            _ = try store.reserve(.max >> 1, name: try name("reserve"))
            expect(.noSpace, about: "write chunk") {
                try file.write([UInt8](repeating: 1, count: 1 << 20), at: 0)
            }
            try file.write([3], at: 1 << 20)
        }
    }
}
