import ChunkStore
import Foundation
import LocalStore
import Testing

/// ramfs can neither preallocate nor punch holes.
@Suite("LocalStore: a file system that cannot preallocate")
struct PlainFileSystemTests {
    @Test func filesHaveTheirLengthAndDeallocatedRangesReadAsZeros() throws {
        let mount = try MountedFolder(["-t", "ramfs", "ramfs"])
        let store = try LocalStore.create(at: mount.path)
        let file = try store.createFile(try name("a/chunk"), length: 3 << 20)
        #expect(try file.size().length == 3 << 20)
        try file.write([UInt8](repeating: 7, count: 3 << 20), at: 0)
        try file.deallocate(at: 100, length: (3 << 20) - 101)
        let bytes = try file.bytes(3 << 20)
        #expect(bytes[..<100].allSatisfy { $0 == 7 })
        #expect(bytes[100..<(3 << 20) - 1].allSatisfy { $0 == 0 })
        #expect(bytes.last == 7)
        #expect(try store.reserve(1 << 20, name: try name("reserve")) == 0)
        withExtendedLifetime(mount) {}
    }
}
