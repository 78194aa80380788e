import Glibc
import Namespace
import Testing

@Suite struct TreeTests {
    @Test func theRootShowsWhatAMountHas() throws {
        let fixture = try Fixture()
        #expect(
            try fixture.names(in: "") == [
                "control", "import", "status.json", "metrics", "disks", "snapshots", "instances",
            ])
        #expect(try fixture.find("disks").isFolder)
        #expect(try fixture.find("control").mode == 0o600)
        expectErrno(ENOENT) { _ = try fixture.find("nothing") }
        expectErrno(ENOTDIR) { _ = try fixture.find("control/x") }
        expectErrno(EISDIR) { _ = try fixture.open("disks") }
    }

    @Test func aDiskShowsByNameAndResolvesById() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        #expect(try fixture.names(in: "disks") == ["data"])
        let id = try #require(try fixture.store.disks().first).id.text
        let (byName, byID) = (try fixture.find("disks/data"), try fixture.find("disks/\(id)"))
        #expect(byName == byID)
        #expect(byName.size == 1 << 30)
        #expect(byName.mode == 0o600)
        #expect(byName.owner == 1000)
        #expect(byName.storedBytes == 0)
    }

    @Test func disksOfOneNameShowByTheirIds() throws {
        let fixture = try Fixture()
        try fixture.perform("CreateDisk DiskName=twin Size=1")
        _ = try fixture.find("disks/twin")
        _ = fixture.kernel.take()
        try fixture.perform("CreateDisk DiskName=other Size=1")
        // As in a store that somebody changed; the control plane gives a name out once.
        let other = try #require(try fixture.store.disks().first { $0.givenName == "other" })
        try fixture.store.setAttributes(of: other.id, to: ["DiskName": "twin"])
        let ids = try fixture.store.disks().map(\.id.text)
        #expect(try fixture.names(in: "disks") == ids)
        expectErrno(ENOENT) { _ = try fixture.find("disks/twin") }
    }

    @Test func aRenamedDiskLeavesItsNameAtOnce() throws {
        let fixture = try Fixture()
        try fixture.perform("CreateDisk DiskName=data Size=1")
        let inode = try fixture.find("disks/data").inode
        _ = fixture.kernel.take()
        try fixture.perform("ModifyDiskAttribute DiskId=data DiskName=photos")
        #expect(try fixture.names(in: "disks") == ["photos"])
        #expect(try fixture.find("disks/photos").inode == inode)
        expectErrno(ENOENT) { _ = try fixture.find("disks/data") }
    }

    /// Names that come and go are asked for each time. To have the kernel drop one takes a lock
    /// that whoever lists the folder holds while he waits for us: killed then, the mount hangs.
    @Test func theKernelKeepsNoNameThatMayGo() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        try fixture.perform("CreateSnapshot DiskId=data SnapshotName=monday")
        for path in ["disks/data", "snapshots/monday", "snapshots/monday.json"] {
            #expect(try fixture.find(path).nameValidity == 0)
        }
        #expect(try fixture.find("disks").nameValidity > 0)
    }

    @Test func aDetachedDiskHasNoModeAndNoKey() throws {
        let fixture = try Fixture()
        try fixture.perform("CreateDisk DiskName=secret Size=1 Encrypted=true")
        try fixture.perform("CreateDisk DiskName=open Size=1")
        #expect(try fixture.find("disks/secret").mode == 0)
        expectErrno(ENOKEY) { _ = try fixture.open("disks/secret", as: Fixture.root) }
        expectErrno(ENXIO) { _ = try fixture.open("disks/open", as: Fixture.root) }
    }

    @Test func everyAttachHasItsOwnInode() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let first = try fixture.find("disks/data").inode
        _ = fixture.kernel.take()
        try fixture.perform("DetachDisk DiskId=data")
        let dropped = fixture.kernel.take()
        #expect(dropped.contains(.pages(first)))
        try fixture.perform("AttachDisk DiskId=data")
        #expect(try fixture.find("disks/data").inode != first)
        expectErrno(ESTALE) { _ = try fixture.tree.attributes(of: first) }
    }

    @Test func anOpenDiskIsNotDetached() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        var file: OpenFile? = try fixture.open("disks/data")
        #expect(fixture.plane.perform("DetachDisk DiskId=data").errno == EBUSY)
        #expect(try file?.bytes(at: 0, count: 4).count == 4)
        _ = try fixture.open("disks/data")
        file = nil
        try fixture.perform("DetachDisk DiskId=data")
    }

    @Test func aStrangerOpensNothing() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        try fixture.perform("CreateSnapshot DiskId=data SnapshotName=monday")
        for path in ["disks/data", "snapshots/monday", "control"] {
            expectErrno(EACCES) { _ = try fixture.open(path, as: Fixture.stranger) }
            _ = try fixture.open(path, as: Fixture.root)
            _ = try fixture.open(path, as: Fixture.owner)
        }
        expectErrno(EACCES) { try fixture.tree.checkControl(Fixture.stranger) }
    }

    @Test func plainDisksDoNotOpenWhereEncryptionIsRequired() throws {
        let fixture = try Fixture(requiresEncryption: true)
        try fixture.attachDisk("plain", encrypted: false)
        try fixture.attachDisk("sealed")
        expectErrno(EPERM) { _ = try fixture.open("disks/plain") }
        _ = try fixture.open("disks/sealed")
    }

    @Test func nothingIsMadeOrRemovedByHand() throws {
        let fixture = try Fixture()
        let (disks, snapshots) = (try fixture.find("disks"), try fixture.find("snapshots"))
        #expect(fixture.tree.refusal(ofChangeIn: disks.inode).errno == EPERM)
        #expect(fixture.tree.refusal(ofChangeIn: snapshots.inode).errno == EROFS)
        #expect(fixture.tree.refusal(ofChangeIn: 1).errno == EPERM)
    }

    @Test func capacityIsTheStores() throws {
        let fixture = try Fixture()
        let (total, available) = try fixture.tree.capacity()
        #expect(total == 1 << 30)
        #expect(available > 0 && available <= total)
    }
}
