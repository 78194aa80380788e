import ChunkStore
import Foundation
import HostPrograms
import LocalStore
import Testing

/// What somebody planted in a store's folder before it was opened: nothing outside is written.
@Suite("LocalStore: planted files")
struct PlantedFileTests {
    private let folder: TemporaryFolder
    private let path: String
    private let victim: String
    private let content = Data("somebody else's file".utf8)

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path + "/store"
        victim = folder.path + "/victim"
        try content.write(to: URL(fileURLWithPath: victim))
    }

    private func isVictimWhole() throws -> Bool {
        try Data(contentsOf: URL(fileURLWithPath: victim)) == content
    }

    @Test func aHardLinkedLockIsNotWritten() throws {
        let store = try LocalStore.create(at: path)
        #expect(link(victim, path + "/.lock") == 0)
        expect(.foreign, about: "hard link") { _ = try store.lockExclusively(holder: "me") }
        #expect(try isVictimWhole())
    }

    @Test func aHardLinkedReserveIsNeitherCutNorGrown() throws {
        let store = try LocalStore.create(at: path)
        #expect(link(victim, path + "/reserve") == 0)
        for bytes: UInt64 in [1, 1 << 20] {
            expect(.foreign) { _ = try store.reserve(bytes, name: try name("reserve")) }
        }
        #expect(try isVictimWhole())
    }

    @Test func aHardLinkedChunkIsNotOpenedForWriting() throws {
        let store = try LocalStore.create(at: path)
        #expect(link(victim, path + "/chunk") == 0)
        expect(.foreign) { _ = try store.openFile(try name("chunk")) }
        #expect(try isVictimWhole())
    }

    /// A block device node for a lock (its first bytes were once overwritten), a pipe, a folder.
    @Test(arguments: ["device", "pipe", "folder", "link"])
    func whatIsNoFileIsNoLock(kind: String) throws {
        let store = try LocalStore.create(at: path)
        let planted = path + "/.lock"
        let made =
            switch kind {
            // Major 7 is the loop driver; no device of that number need exist.
            case "device": mknod(planted, S_IFBLK | 0o600, 7 << 8 | 200)
            case "pipe": mkfifo(planted, 0o600)
            case "folder": mkdir(planted, 0o700)
            default: symlink(victim, planted)
            }
        #expect(made == 0)
        expect(.foreign) { _ = try store.lockExclusively(holder: "me") }
        if kind != "device" {
            rename(planted, path + "/reserve")
            expect(.foreign) { _ = try store.reserve(1 << 20, name: try name("reserve")) }
        }
        #expect(try isVictimWhole())
    }

    /// Of the store's owner are its files, or of who runs this.
    @Test func aFileOfAnotherUserIsNotWritten() throws {
        #expect(geteuid() == 0, "this test gives files away, which takes root")
        let store = try LocalStore.create(at: path)
        try store.replaceObject(try name("chunk"), with: [1])
        #expect(chown(path + "/chunk", 12345, 12345) == 0)
        expect(.foreign, about: "user 12345") { _ = try store.openFile(try name("chunk")) }
        #expect(chown(path, 12345, 12345) == 0)
        let owned = try LocalStore(path: path)
        #expect(throws: Never.self) { _ = try owned.openFile(try name("chunk")) }
    }

    /// Folders nested deeper than any store's would use up the descriptors of who tidies them up.
    @Test func nestedFoldersDoNotKeepTheStoreFromOpening() throws {
        let store = try LocalStore.create(at: path)
        var place = open(path, O_RDONLY | O_DIRECTORY)
        for _ in 0..<3000 {
            #expect(mkdirat(place, "d", 0o700) == 0)
            let next = openat(place, "d", O_RDONLY | O_DIRECTORY)
            close(place)
            place = next
        }
        close(place)
        try store.lockExclusively(holder: "me").release()
        try Program.succeed("rm", ["-rf", path + "/d"])
    }
}
