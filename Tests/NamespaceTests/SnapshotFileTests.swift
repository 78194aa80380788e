import Glibc
import Namespace
import Testing

@Suite struct SnapshotFileTests {
    private func fixture() throws -> Fixture {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        try fixture.open("disks/data", writes: true).put([1, 2, 3], at: 4096)
        try fixture.perform("CreateSnapshot DiskId=data SnapshotName=monday")
        return fixture
    }

    @Test func aSnapshotStaysAsItWas() throws {
        let fixture = try fixture()
        try fixture.open("disks/data", writes: true).put([9, 9, 9], at: 4096)
        #expect(try fixture.names(in: "snapshots") == ["monday", "monday.sealed", "monday.json"])
        let attributes = try fixture.find("snapshots/monday")
        #expect(attributes.mode == 0o400)
        #expect(attributes.size == 1 << 30)
        #expect(attributes.storedBytes == 4096)
        let file = try fixture.open("snapshots/monday")
        #expect(try file.bytes(at: 4096, count: 3) == [1, 2, 3])
        #expect(try file.bytes(at: 1 << 30, count: 3) == [])
        #expect(try file.seek(.data, from: 0) == 4096)
        #expect(try file.seek(.hole, from: 4096) == 8192)
    }

    /// Whose key is away shows it, and the kernel keeps nothing of how it was before.
    @Test func whatCannotBeReadHasNoMode() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("secret", encrypted: true)
        try fixture.perform("CreateSnapshot DiskId=secret SnapshotName=monday")
        let paths = ["snapshots/monday", "snapshots/monday.sealed"]
        for path in paths { #expect(try fixture.find(path).mode == 0o400) }
        let inodes = try paths.map { try fixture.find($0).inode }
        _ = fixture.kernel.take()
        try fixture.perform("DetachDisk DiskId=secret")
        let dropped = fixture.kernel.take()
        #expect(dropped.contains(.pages(inodes[0])))
        #expect(dropped.contains(.attributes(inodes[1])))
        for path in paths {
            let attributes = try fixture.find(path)
            #expect(attributes.mode == 0)
            #expect(attributes.validity == 0, "the kernel is not told when it changes")
            expectErrno(ENOKEY) { _ = try fixture.open(path) }
        }
        try fixture.perform("AttachDisk DiskId=secret")
        for path in paths { #expect(try fixture.find(path).mode == 0o400) }
    }

    @Test func aSnapshotIsReadOnlyWhateverIsTried() throws {
        let fixture = try fixture()
        for path in ["snapshots/monday", "snapshots/monday.json"] {
            let inode = try fixture.find(path).inode
            expectErrno(EROFS) { _ = try fixture.open(path, writes: true, as: Fixture.root) }
            expectErrno(EROFS) { _ = try fixture.open(path, truncates: true) }
            expectErrno(EROFS) {
                let mode = OpenMode(reads: false, writes: true, truncates: false)
                try fixture.tree.checkAccess(inode, mode, caller: Fixture.root)
            }
            for path in [\AttributeChange.mode, \.owner, \.group] {
                var change = AttributeChange()
                change[keyPath: path] = 0
                expectErrno(EROFS) {
                    _ = try fixture.tree.change(inode, change, caller: Fixture.root)
                }
            }
        }
        let file = try fixture.open("snapshots/monday")
        expectErrno(EROFS) { try file.allocate(.punch, at: 0, length: 4096) }
    }

    @Test func aSnapshotNeedsItsKey() throws {
        let fixture = try fixture()
        let inode = try fixture.find("snapshots/monday").inode
        _ = fixture.kernel.take()
        try fixture.perform("DetachDisk DiskId=data")
        expectErrno(ENOKEY) { _ = try fixture.open("snapshots/monday") }
        #expect(fixture.kernel.take().contains(.pages(inode)))
        try fixture.perform("AttachDisk DiskId=data")
        _ = try fixture.open("snapshots/monday")
    }

    @Test func anOpenSnapshotIsNotDeleted() throws {
        let fixture = try fixture()
        var file: OpenFile? = try fixture.open("snapshots/monday")
        #expect(fixture.plane.perform("DeleteSnapshot SnapshotId=monday").errno == EBUSY)
        #expect(try file?.bytes(at: 4096, count: 1) == [1])
        file = nil
        try fixture.perform("DeleteSnapshot SnapshotId=monday")
        expectErrno(ENOENT) { _ = try fixture.find("snapshots/monday") }
        expectErrno(ENOENT) { _ = try fixture.find("snapshots/monday.json") }
    }

    @Test func resettingShowsTheOldContentUnderANewInode() throws {
        let fixture = try fixture()
        try fixture.open("disks/data", writes: true).put([9, 9, 9], at: 4096)
        let inode = try fixture.find("disks/data").inode
        try fixture.perform("ResetDisk DiskId=data SnapshotId=monday")
        #expect(fixture.kernel.take().contains(.pages(inode)))
        #expect(try fixture.find("disks/data").inode != inode)
        let file = try fixture.open("disks/data")
        #expect(try file.bytes(at: 4096, count: 3) == [1, 2, 3])
    }

    @Test func theDocumentSaysWhatItIs() throws {
        let fixture = try fixture()
        let text = try fixture.text("snapshots/monday.json")
        let snapshot = try #require(try fixture.store.snapshots().first)
        for part in [
            "\"id\" : \"\(snapshot.id)\"", "\"disk\" : \"\(snapshot.disk)\"",
            "\"name\" : \"monday\"", "\"size\" : 1073741824", "\"encrypted\" : true",
            "\"storedBytes\" : 4096", "\"keyID\" : ", "\"time\" : \"\(snapshot.created)\"",
        ] {
            #expect(text.contains(part), "\(part) in \(text)")
        }
        #expect(try fixture.find("snapshots/monday.json").size == UInt64(text.utf8.count))
    }
}
