import Glibc
import Testing

@testable import Namespace

@Suite struct MappingTests {
    @Test func aSnapshotHasOpenDisksWrittenOut() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let disk = try #require(try fixture.store.disks().first).id.text
        try fixture.perform("CreateSnapshot DiskId=data SnapshotName=closed")
        #expect(fixture.mappings.paths.isEmpty, "nothing is open, so nothing is dirty")
        let file = try fixture.open("disks/data")
        try fixture.perform("CreateSnapshot DiskId=data SnapshotName=open")
        #expect(fixture.mappings.paths == ["/nowhere/disks/\(disk)"])
        for error in [EIO, ETIMEDOUT] {
            fixture.mappings.answer(error)
            let reply = fixture.plane.perform(
                .init("CreateSnapshot", ["DiskId": "data", "SnapshotName": "failing"]))
            #expect(!reply.isSuccess)
        }
        withExtendedLifetime(file) {}
    }
}
