import ChunkStore
import Foundation
import HostPrograms
import LocalStore
import Testing

/// A real journal loses what was not synced: XFS on a loop device, shut down without a log flush.
/// Each call is the last one before a cut of its own, since a later sync would cover for it.
@Suite("LocalStore: a power cut", .serialized)
struct PowerCutTests {
    enum LastCall: CaseIterable {
        case createFile, recycleFile, synchronize, deallocate, remove, replaceObject
        case replaceInNewFolder, removeFolder, reserve
    }

    @Test(arguments: LastCall.allCases)
    func whatTheContractCallsDurableSurvives(last: LastCall) throws {
        let image = try TemporaryFolder()
        let file = image.path + "/xfs"
        try Program.succeed("truncate", ["-s", "320M", file])
        try Program.succeed("mkfs.xfs", ["-q", file])
        try prepareAndCutPower(of: file, after: last)
        let mount = try MountedFolder(["-o", "loop", file])
        try check(last, in: try LocalStore(path: mount.path + "/store"))
        withExtendedLifetime((image, mount)) {}
    }

    private func prepareAndCutPower(of file: String, after last: LastCall) throws {
        let mount = try MountedFolder(["-o", "loop", file])
        // The store's handles end with this call: nothing of it holds the mount any more.
        try makeCalls(below: mount.path, endingWith: last)
        // Nothing that is not durable by now ever will be.
        try Program.succeed("xfs_io", ["-x", "-c", "shutdown", mount.path])
        withExtendedLifetime(mount) {}
    }

    private func makeCalls(below folder: String, endingWith last: LastCall) throws {
        let store = try LocalStore.create(at: folder + "/store")
        let chunk = try store.createFile(try name("a/chunk"), length: 1 << 20)
        try store.replaceObject(try name("a/object"), with: [1])
        try chunk.write([UInt8](repeating: 1, count: 8192), at: 0)
        try chunk.synchronize()
        try perform(last, in: store, chunk)
    }

    private func perform(_ last: LastCall, in store: LocalStore, _ chunk: any ChunkFile) throws {
        switch last {
        case .createFile: _ = try store.createFile(try name("b/c/new"), length: 1 << 20)
        case .recycleFile:
            _ = try store.recycleFile(
                try name("a/chunk"), as: try name("b/c/new"), length: 1 << 20, beginning: [9],
                blank: 4096)
        case .synchronize:
            try chunk.write([UInt8](repeating: 2, count: 4096), at: 0)
            try chunk.synchronize()
            try chunk.write([UInt8](repeating: 3, count: 4096), at: 4096)
        case .deallocate:
            try chunk.deallocate(at: 0, length: 4096)
            try chunk.synchronize()
        case .remove: try store.remove(try name("a/chunk"))
        case .replaceObject: try store.replaceObject(try name("a/object"), with: [2])
        case .replaceInNewFolder: try store.replaceObject(try name("b/c/object"), with: [3])
        case .removeFolder: try store.removeFolder(try name("a"))
        case .reserve: _ = try store.reserve(1 << 20, name: try name("reserve"))
        }
    }

    private func check(_ last: LastCall, in store: LocalStore) throws {
        switch last {
        case .createFile:
            let size = try store.openFile(try name("b/c/new")).size()
            #expect(size.length == 1 << 20)
            #expect(size.allocated >= 1 << 20)
        case .recycleFile:
            let file = try store.openFile(try name("b/c/new"))
            #expect(try file.bytes(4096) == [9] + [UInt8](repeating: 0, count: 4095))
            #expect(try file.size().allocated >= 1 << 20)
            expect(.notFound) { _ = try store.openFile(try name("a/chunk")) }
        case .synchronize:
            let bytes = try store.openFile(try name("a/chunk")).bytes(8192)
            #expect(bytes[..<4096].allSatisfy { $0 == 2 })
            #expect(bytes[4096...].allSatisfy { $0 == 1 || $0 == 3 })
        case .deallocate:
            let bytes = try store.openFile(try name("a/chunk")).bytes(8192)
            #expect(bytes[..<4096].allSatisfy { $0 == 0 })
            #expect(bytes[4096...].allSatisfy { $0 == 1 })
        case .remove:
            #expect(try store.list(try name("a")).map(\.name) == ["object"])
        case .replaceObject:
            #expect(try store.readObject(try name("a/object"), limit: 9) == [2])
        case .replaceInNewFolder:
            #expect(try store.readObject(try name("b/c/object"), limit: 9) == [3])
        case .removeFolder:
            #expect(try store.list(try name("a")) == [])
        case .reserve:
            #expect(try store.openFile(try name("reserve")).size().allocated >= 1 << 20)
        }
    }
}
