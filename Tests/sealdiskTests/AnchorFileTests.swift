import DiskEngine
import Glibc
import Testing

@testable import sealdisk

/// What may be found in the place of an anchor file: nobody waits, nothing else is written, and
/// what others could have written is not believed.
@Suite struct AnchorFileTests {
    private let folder: TemporaryFolder
    private let anchor: AnchorFile
    private let victim: String

    init() throws {
        folder = try TemporaryFolder()
        #expect(mkdir(folder.path + "/anchors", 0o700) == 0)
        anchor = AnchorFile(path: folder.path + "/anchors/store.json")
        victim = folder.path + "/victim"
        try AnchorFile(path: victim).record([1, 2, 3])
    }

    private func code(_ body: () throws(DiskError) -> Void) -> DiskError.Code? {
        do {
            try body()
            return nil
        } catch {
            return error.code
        }
    }

    @Test func whatIsRecordedIsFoundAgainByItsOwnerAlone() throws {
        #expect(try anchor.load() == nil)
        try anchor.record([4, 5])
        #expect(try anchor.load() == [4, 5])
        var status = stat()
        #expect(stat(anchor.path, &status) == 0 && status.st_mode & 0o7777 == 0o600)
    }

    @Test(.timeLimit(.minutes(1)), arguments: ["pipe", "device", "folder"])
    func whatIsNoFileIsNoAnchor(kind: String) throws {
        let made =
            switch kind {
            case "pipe": mkfifo(anchor.path, 0o600)
            // Major 7 is the loop driver; no device of that number need exist.
            case "device": mknod(anchor.path, S_IFBLK | 0o600, 7 << 8 | 200)
            default: mkdir(anchor.path, 0o700)
            }
        #expect(made == 0)
        #expect(code { () throws(DiskError) in _ = try anchor.load() } == .denied)
    }

    /// A link is its owner's affair when it is read; what is recorded goes in its place, not
    /// through it. The same for the name that the new bytes are written under first.
    @Test(arguments: ["", ".new"], ["link", "hard link"])
    func nothingIsWrittenThroughALink(suffix: String, kind: String) throws {
        let path = anchor.path + suffix
        #expect((kind == "link" ? symlink(victim, path) : link(victim, path)) == 0)
        try anchor.record([9])
        #expect(try anchor.load() == [9])
        #expect(try AnchorFile(path: victim).load() == [1, 2, 3])
    }

    @Test(arguments: [mode_t(0o666), 0o660, 0o606, 0o602, 0o644])
    func whatOthersMayReadOrWriteIsRefused(mode: mode_t) throws {
        try anchor.record([4])
        #expect(chmod(anchor.path, mode) == 0)
        #expect(code { () throws(DiskError) in _ = try anchor.load() } == .denied)
    }

    @Test func anothersFileIsRefused() throws {
        #expect(geteuid() == 0, "this test gives a file away, which takes root")
        try anchor.record([4])
        #expect(chown(anchor.path, 12345, 12345) == 0)
        #expect(code { () throws(DiskError) in _ = try anchor.load() } == .denied)
    }

    @Test(arguments: [mode_t(0o777), 0o770, 0o702])
    func aFolderOpenToOthersIsRefused(mode: mode_t) throws {
        try anchor.record([4])
        #expect(chmod(folder.path + "/anchors", mode) == 0)
        #expect(code { () throws(DiskError) in _ = try anchor.load() } == .denied)
    }

    @Test func aHugeAnchorIsNotRead() throws {
        try anchor.record([4])
        #expect(truncate(anchor.path, 1 << 40) == 0)
        #expect(code { () throws(DiskError) in _ = try anchor.load() } == .denied)
    }
}
