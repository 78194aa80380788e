import ChunkStore
import Testing

/// Files that nobody needs any more become new ones.
@Suite("Contract: recycling")
struct RecyclingContract {
    private static let length: UInt64 = 100_000

    /// An old file full of ones, with a hole.
    private func old(in store: any ChunkStore) throws -> any ChunkFile {
        let file = try store.createFile(try name("a/old"), length: Self.length)
        try file.write([UInt8](repeating: 1, count: Int(Self.length)), at: 0)
        try file.deallocate(at: 40_960, length: 8192)
        return file
    }

    private func recycle(
        in store: any ChunkStore, as new: String, length: UInt64 = length
    ) throws(StoreError) -> any ChunkFile {
        guard let old = ObjectName("a/old"), let new = ObjectName(new) else {
            preconditionFailure("not a name")  // the test's own constants are
        }
        return try store.recycleFile(
            old, as: new, length: length, beginning: [7, 8], blank: 8192)
    }

    @Test(arguments: StoreKind.allCases)
    func aRecycledFileIsBlankAsFarAsAskedAndHasAllItsSpace(kind: StoreKind) throws {
        try kind.withStore { store in
            _ = try old(in: store)
            let new = try recycle(in: store, as: "b/c/new")
            let expected = [7, 8] + [UInt8](repeating: 0, count: 8190)
            #expect(try new.bytes(8192) == expected)
            #expect(try store.openFile(try name("b/c/new")).bytes(8192) == expected)
            let size = try new.size()
            #expect(size.length == Self.length)
            #expect(size.allocated >= Self.length)
            expect(.notFound) { _ = try store.openFile(try name("a/old")) }
            #expect(try store.list(try name("a")) == [])
            try new.write([3], at: Self.length - 1)
            #expect(try new.bytes(1, at: Self.length - 1) == [3])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func whatCannotBeRecycledIsLeftAlone(kind: StoreKind) throws {
        try kind.withStore { store in
            expect(.notFound, about: "a/old") { _ = try recycle(in: store, as: "b/new") }
            let file = try old(in: store)
            expect(.foreign, about: "100000 bytes, not 99999") {
                _ = try recycle(in: store, as: "b/new", length: Self.length - 1)
            }
            #expect(try file.bytes(3) == [1, 1, 1])
            #expect(try store.openFile(try name("a/old")).bytes(3) == [1, 1, 1])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aNameThatIsTakenStaysWhatItIs(kind: StoreKind) throws {
        try kind.withStore { store in
            _ = try old(in: store)
            try store.createFile(try name("b/new"), length: 3).write([4, 5, 6], at: 0)
            expect(.alreadyExists, about: "b/new") { _ = try recycle(in: store, as: "b/new") }
            #expect(try store.openFile(try name("b/new")).bytes(3) == [4, 5, 6])
        }
    }
}
