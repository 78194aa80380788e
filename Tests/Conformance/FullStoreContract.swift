import ChunkStore
import Glibc
import LocalStore
import Testing

/// Stores of 4 MiB. The local one lies on a tmpfs of that size.
@Suite("Contract: a full store")
struct FullStoreContract {
    private static let kinds: [StoreKind] = geteuid() == 0 ? [.memory, .local] : [.memory]
    private static let capacity: UInt64 = 4 << 20

    private func withSmallStore(
        _ kind: StoreKind, _ body: (any ChunkStore) throws -> Void
    ) throws {
        guard kind == .local else { return try body(MemoryStore(capacity: Self.capacity)) }
        let options = ["-t", "tmpfs", "-o", "size=\(Self.capacity)", "tmpfs"]
        let mount = try MountedFolder(options)
        try body(try LocalStore.create(at: mount.path))
        withExtendedLifetime(mount) {}
    }

    @Test(arguments: kinds)
    func aFileThatDoesNotFitLeavesNothingBehind(kind: StoreKind) throws {
        try withSmallStore(kind) { store in
            let before = try store.capacity().available
            expect(.noSpace, about: "create a/chunk") {
                _ = try store.createFile(try name("a/chunk"), length: 5 << 20)
            }
            #expect(try store.list(try name("a")) == [])
            #expect(try store.capacity().available == before)
            _ = try store.createFile(try name("a/chunk"), length: 3 << 20)
            #expect(try store.capacity().available == before - 3 << 20)
        }
    }

    @Test(arguments: kinds)
    func anObjectThatDoesNotFitLeavesTheOldOne(kind: StoreKind) throws {
        try withSmallStore(kind) { store in
            let version = try store.replaceObject(try name("a/object"), with: [1], if: .absent)
            let before = try store.capacity().available
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
            // A process that another test is starting has our files open until it executes.
            for _ in 0..<500 where try store.capacity().available != before { usleep(10_000) }
            #expect(try store.capacity().available == before)
        }
    }

    @Test(arguments: kinds)
    func aReserveTakesWhatThereIsAndKeepsIt(kind: StoreKind) throws {
        try withSmallStore(kind) { store in
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

    @Test(arguments: kinds)
    func aPreallocatedFileIsWrittenWhenNothingElseFits(kind: StoreKind) throws {
        try withSmallStore(kind) { store in
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
