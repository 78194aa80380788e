import ChunkStore
import Glibc
import Namespace
import Testing

@Suite struct SealedFileTests {
    private func fixture(encrypted: Bool = true) throws -> Fixture {
        let fixture = try Fixture()
        try fixture.attachDisk("data", encrypted: encrypted)
        try fixture.open("disks/data", writes: true).put([1, 2, 3], at: 4096)
        try fixture.perform("CreateSnapshot DiskId=data SnapshotName=monday")
        return fixture
    }

    private static let path = "snapshots/monday.sealed"
    /// Header, index page and one block.
    private static let size = 3 * 4096

    @Test func aSealedFileStandsBesideItsSnapshot() throws {
        let fixture = try fixture()
        #expect(
            try fixture.names(in: "snapshots") == ["monday", "monday.sealed", "monday.json"])
        let attributes = try fixture.find(Self.path)
        let snapshot = try fixture.find("snapshots/monday")
        #expect(attributes.inode != snapshot.inode)
        #expect(attributes.mode == snapshot.mode && attributes.modified == snapshot.modified)
        #expect(attributes.size == UInt64(Self.size))
        #expect(attributes.storedBytes == UInt64(Self.size))
        let id = try #require(fixture.store.snapshots().first).id
        #expect(try fixture.find("snapshots/\(id).sealed") == attributes)
        expectErrno(ENOENT) { _ = try fixture.find("snapshots/tuesday.sealed") }
        expectErrno(ENOENT) { _ = try fixture.find("snapshots/monday.json.sealed") }
    }

    @Test func itsBytesAreTheSameOnEachReadAndAttach() throws {
        let fixture = try fixture()
        let bytes = try fixture.open(Self.path).bytes(at: 0, count: 1 << 16)
        #expect(bytes.count == Self.size)
        #expect(bytes.starts(with: Array("SEALSNAP".utf8)))
        try fixture.open("disks/data", writes: true).put([9, 9, 9], at: 4096)
        let file = try fixture.open(Self.path)
        #expect(try file.bytes(at: 4000, count: 200) == Array(bytes[4000..<4200]))
        #expect(try file.bytes(at: UInt64(Self.size), count: 5) == [])
        #expect(try file.seek(.data, from: 100) == 100)
        #expect(try file.seek(.hole, from: 100) == UInt64(Self.size))
        expectErrno(ENXIO) { _ = try file.seek(.hole, from: UInt64(Self.size)) }
    }

    @Test func itIsReadOnlyWhateverIsTried() throws {
        let fixture = try fixture()
        let inode = try fixture.find(Self.path).inode
        expectErrno(EROFS) { _ = try fixture.open(Self.path, writes: true, as: Fixture.root) }
        expectErrno(EROFS) { _ = try fixture.open(Self.path, truncates: true) }
        expectErrno(EACCES) { _ = try fixture.open(Self.path, as: Fixture.stranger) }
        expectErrno(EACCES) {
            let mode = OpenMode(reads: true, writes: false, truncates: false)
            try fixture.tree.checkAccess(inode, mode, caller: Fixture.stranger)
        }
        var change = AttributeChange()
        change.size = 0
        expectErrno(EROFS) { _ = try fixture.tree.change(inode, change, caller: Fixture.root) }
        let file = try fixture.open(Self.path)
        expectErrno(EROFS) { try file.allocate(.punch, at: 0, length: 4096) }
        expectErrno(EBADF) { _ = try file.put([1], at: 0) }
    }

    @Test func itNeedsTheKeyOfItsSnapshot() throws {
        let fixture = try fixture()
        let bytes = try fixture.open(Self.path).bytes(at: 0, count: 1 << 16)
        try fixture.perform("DetachDisk DiskId=data")
        expectErrno(ENOKEY) { _ = try fixture.open(Self.path) }
        try fixture.perform("AttachDisk DiskId=data")
        #expect(try fixture.open(Self.path).bytes(at: 0, count: 1 << 16) == bytes)
    }

    @Test func aPlainOneNeedsNoKey() throws {
        let fixture = try fixture(encrypted: false)
        try fixture.perform("DetachDisk DiskId=data")
        let bytes = try fixture.open(Self.path).bytes(at: 0, count: 1 << 16)
        #expect(bytes.count == Self.size)
    }

    @Test func itsHandlesAreTheSnapshots() throws {
        let fixture = try fixture()
        let inode = try fixture.find(Self.path).inode
        /// What is said while the file at `path` is open.
        func refusals(_ path: String) throws -> [String] {
            let file = try fixture.open(path)
            defer { withExtendedLifetime(file) {} }
            let replies = ["DeleteSnapshot SnapshotId=monday", "DetachDisk DiskId=data"]
                .map { fixture.plane.perform($0) }
            #expect(replies.map(\.errno) == [EBUSY, EBUSY], "\(path)")
            #expect(try file.bytes(at: 0, count: 1).count == 1)
            return replies.map { $0.refusal?.message ?? "" }
        }
        let said = try refusals(Self.path)
        #expect(try refusals("snapshots/monday") == said)
        _ = fixture.kernel.take()
        try fixture.perform("DeleteSnapshot SnapshotId=monday")
        #expect(fixture.kernel.take().contains(.pages(inode)))
        expectErrno(ENOENT) { _ = try fixture.find(Self.path) }
        expectErrno(ESTALE) { _ = try fixture.tree.attributes(of: inode) }
    }

    @Test func damageIsAnErrorAndIsTold() throws {
        let fixture = try fixture()
        let file = try fixture.open(Self.path)
        #expect(try file.bytes(at: 0, count: 4096).count == 4096)
        for name in fixture.files.names where name.hasSuffix(".chunk") {
            try fixture.files.mutateFile(try #require(ObjectName(name))) { bytes in
                for index in bytes.indices.dropFirst(4096) { bytes[index] ^= 1 }
            }
        }
        expectErrno(EIO) { _ = try file.bytes(at: 4096, count: 10) }
        let snapshot = try #require(fixture.store.snapshots().first)
        #expect(snapshot.damage?.count == 1)
        #expect(
            fixture.log.all.contains {
                $0.hasPrefix("read of sealed snapshot \(snapshot.id) at byte 4096 failed")
            }, "\(fixture.log.all)")
        #expect(
            try file.bytes(at: 0, count: 4096).count == 4096, "the header is there all the same")
    }
}
