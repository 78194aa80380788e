import ChunkStore
import Foundation
import HostPrograms
import LocalStore
import Testing

@Suite("LocalStore: what only a folder of the host can get wrong")
struct LocalStoreTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path + "/store"
    }

    @Test func aStoreIsMadeInANewOrAnEmptyFolder() throws {
        try LocalStore.create(at: path).replaceObject(try name("object"), with: [1])
        expect(.alreadyExists, about: path) { _ = try LocalStore.create(at: path) }
        #expect(try LocalStore(path: path).readObject(try name("object"), limit: 1) == [1])
        expect(.notFound, about: "\(path)2") { _ = try LocalStore(path: path + "2") }
        expect(.notFound) { _ = try LocalStore.create(at: path + "2/below") }
        try FileManager.default.createDirectory(
            atPath: path + "3/lost+found", withIntermediateDirectories: true)
        _ = try LocalStore.create(at: path + "3")
    }

    /// A version is good for another process, and what is refused leaves nothing in the folder.
    @Test func aVersionOutlivesTheProcessThatSawIt() throws {
        let object = try name("record")
        let version = try LocalStore.create(at: path).replaceObject(object, with: [1], if: .absent)
        let store = try LocalStore(path: path)
        #expect(try store.readVersioned(object, limit: 1).version == version)
        let next = try store.replaceObject(object, with: [2], if: .version(version))
        for condition in [ReplaceCondition.absent, .version(version)] {
            #expect(throws: StoreError.self) {
                try store.replaceObject(object, with: [3], if: condition)
            }
        }
        #expect(next == ObjectVersion([2]))
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["record"])
    }

    @Test func nobodyElseMayRead() throws {
        let store = try LocalStore.create(at: path)
        _ = try store.createFile(try name("a/chunk"), length: 1)
        try store.replaceObject(try name("a/object"), with: [1])
        let modes = [("", 0o700), ("/a", 0o700), ("/a/chunk", 0o600), ("/a/object", 0o600)]
        for (item, mode) in modes {
            let attributes = try FileManager.default.attributesOfItem(atPath: path + item)
            #expect(attributes[.posixPermissions] as? Int == mode, "\(item)")
        }
    }

    @Test func whatIsReadOnlyRefusesEveryChange() throws {
        _ = try LocalStore.create(at: path).createFile(try name("a/chunk"), length: 10)
        let store = try LocalStore(path: path, readOnly: true)
        let chunk = try name("a/chunk")
        expect(.readOnly) { _ = try store.createFile(try name("a/b"), length: 1) }
        expect(.readOnly) { try store.remove(chunk) }
        expect(.readOnly) { try store.replaceObject(chunk, with: []) }
        expect(.readOnly) { _ = try store.replaceObject(chunk, with: [], if: .absent) }
        expect(.readOnly) { try store.removeFolder(try name("a")) }
        expect(.readOnly) { _ = try store.reserve(0, name: chunk) }
        expect(.readOnly) { _ = try store.lockExclusively(holder: "reader") }
        let file = try store.openFile(chunk)
        expect(.readOnly, about: "a/chunk") { try file.write([1], at: 0) }
        expect(.readOnly, about: "a/chunk") { try file.deallocate(at: 0, length: 1) }
        #expect(try file.bytes(10) == [UInt8](repeating: 0, count: 10))
        try file.synchronize()
        try file.dropCache()
    }

    @Test func linksAreNotFollowed() throws {
        let store = try LocalStore.create(at: path)
        let outside = folder.path + "/outside"
        try FileManager.default.createDirectory(
            atPath: outside, withIntermediateDirectories: false)
        try Data([42]).write(to: URL(fileURLWithPath: outside + "/secret"))
        let links = [("folder", outside), ("file", outside + "/secret"), ("new", "none")]
        for (link, target) in links {
            try FileManager.default.createSymbolicLink(
                atPath: "\(path)/\(link)", withDestinationPath: target)
        }
        expect(.foreign, about: "symbolic link") { _ = try store.openFile(try name("file")) }
        expect(.foreign) { _ = try store.readObject(try name("folder/secret"), limit: 9) }
        expect(.foreign) { _ = try store.createFile(try name("folder/chunk"), length: 1) }
        expect(.foreign) { try store.replaceObject(try name("folder/object"), with: [1]) }
        expect(.foreign) { try store.remove(try name("folder/secret")) }
        expect(.foreign) { _ = try store.list(try name("folder")) }
        expect(.foreign) { try store.removeFolder(try name("folder")) }
        expect(.foreign) { _ = try store.reserve(1, name: try name("file")) }
        expect(.alreadyExists) { _ = try store.createFile(try name("new"), length: 1) }
        try store.replaceObject(try name("file"), with: [1])
        #expect(try store.readObject(try name("file"), limit: 1) == [1])
        let left = try FileManager.default.contentsOfDirectory(atPath: outside)
        #expect(left == ["secret"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: outside + "/secret")) == Data([42]))
    }

    @Test func removingAFolderRemovesTheLinksInItOnly() throws {
        let store = try LocalStore.create(at: path)
        try store.replaceObject(try name("a/object"), with: [1])
        try store.replaceObject(try name("b/object"), with: [2])
        try FileManager.default.createSymbolicLink(
            atPath: path + "/a/link", withDestinationPath: path + "/b")
        try store.removeFolder(try name("a"))
        #expect(try store.readObject(try name("b/object"), limit: 1) == [2])
        #expect(!FileManager.default.fileExists(atPath: path + "/a"))
    }

    @Test func twoStoresOnOneFolderDoNotMixWhatTheyWrite() throws {
        let stores = [try LocalStore.create(at: path), try LocalStore(path: path)]
        let objects = [try name("a/first"), try name("a/second")]
        try Data([9]).write(to: URL(fileURLWithPath: "\(path)/.new-\(getpid())-1"))
        inThreads(2) { thread in
            for round in 1...100 {
                let bytes = [UInt8](repeating: UInt8(thread * 100 + round), count: 5000)
                try stores[thread].replaceObject(objects[thread], with: bytes)
                #expect(try stores[thread].readObject(objects[thread], limit: 5000) == bytes)
            }
        }
    }

    @Test func aPlantedPipeDoesNotHoldAReaderUp() throws {
        let store = try LocalStore.create(at: path)
        try Program.succeed("mkfifo", [path + "/pipe"])
        expect(.foreign, about: "not a regular file") { _ = try store.openFile(try name("pipe")) }
        expect(.foreign) { _ = try store.readObject(try name("pipe"), limit: 9) }
        let reader = try LocalStore(path: path, readOnly: true)
        expect(.foreign) { _ = try reader.openFile(try name("pipe")) }
    }

    @Test func whatNoNameCanReachIsNotListedAndOldTemporariesGo() throws {
        let store = try LocalStore.create(at: path)
        try store.replaceObject(try name("a/object"), with: [1])
        for planted in [".new-1-1", ".hidden", "with space"] {
            try Data([1]).write(to: URL(fileURLWithPath: "\(path)/a/\(planted)"))
        }
        #expect(try store.list(try name("a")).map(\.name) == ["object"])
        let lock = try store.lockExclusively(holder: "test")
        defer { lock.release() }
        let left = try FileManager.default.contentsOfDirectory(atPath: path + "/a")
        #expect(Set(left) == ["object", ".hidden", "with space"])
    }
}
