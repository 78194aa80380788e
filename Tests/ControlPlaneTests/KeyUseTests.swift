import DiskEngine
import DiskFormat
import Testing

@testable import ControlPlane

/// Rule 8: actions on encrypted disks use the KMS, each as KeyManagement.md says; what is done with
/// the disk itself never does.
@Suite(.serialized) struct KeyUseTests {
    /// A request on the scene, and the uses that it makes. `still`, `sealed` are detached; `data`
    /// and `w1` are attached.
    private static let uses: [(String, [String])] = [
        ("CreateDisk Size=1MiB Encrypted=true", ["GenerateDataKey CreateDisk"]),
        ("CreateDisk SnapshotId=u", ["Decrypt CreateDisk"]),
        ("CreateDisk SnapshotId=s", ["DescribeKey CreateDisk"]),
        ("CreateSnapshot DiskId=sealed", ["Decrypt CreateSnapshot"]),
        ("CreateSnapshot DiskId=data", ["DescribeKey CreateSnapshot"]),
        ("ResetDisk DiskId=still SnapshotId=u", ["Decrypt ResetDisk"]),
        ("ResetDisk DiskId=data SnapshotId=s", ["DescribeKey ResetDisk"]),
        ("ReInitDisk DiskId=sealed", ["Decrypt ReInitDisk"]),
        ("ReInitDisk DiskId=w1", ["DescribeKey ReInitDisk"]),
        ("ModifyDiskAttribute DiskId=sealed DiskName=x", ["Decrypt ModifyDiskAttribute"]),
        ("ModifyDiskAttribute DiskId=data DiskName=x", ["DescribeKey ModifyDiskAttribute"]),
        (
            "ModifySnapshotAttribute SnapshotId=u SnapshotName=x",
            ["Decrypt ModifySnapshotAttribute"]
        ),
        ("AttachDisk DiskId=sealed", ["Decrypt AttachDisk"]),
        ("DetachDisk DiskId=data", ["DescribeKey DetachDisk"]),
        ("DescribeKey", ["DescribeKey DescribeKey"]),
        (
            "CreateInstance DataDisk.1.Size=1MiB DataDisk.1.Encrypted=true DataDisk.2.Size=1MiB",
            ["GenerateDataKey CreateDisk", "Decrypt AttachDisk"]
        ),
        ("DeleteInstance InstanceId=web", ["DescribeKey DetachDisk"]),
        // These need no key.
        ("DeleteDisk DiskId=sealed", []), ("DeleteSnapshot SnapshotId=u", []),
        ("ResizeDisk DiskId=sealed NewSize=1MiB", []), ("ResizeDisk DiskId=data NewSize=1MiB", []),
        ("CreateImage SnapshotId=u", []), ("DeleteImage ImageId=gold", []),
        // Nor does anything with a plain disk.
        ("CreateDisk Size=1MiB", []), ("AttachDisk DiskId=free", []),
        ("CreateSnapshot DiskId=free", []), ("ResetDisk DiskId=plain SnapshotId=v", []),
        ("ReInitDisk DiskId=free", []), ("DetachDisk DiskId=w2", []),
    ]

    private static let scene = Result { try Scene() }

    @Test func rule8_actionsUseTheKMS() throws {
        for (request, uses) in Self.uses {
            let fixture = try Self.scene.get().open()
            _ = fixture.keys.takeCalls()
            try fixture.done(request)
            #expect(fixture.keys.takeCalls() == uses, "\(request)")
            // Its quota is counted by these, so what is refused by the KMS is refused.
            try fixture.store.close()
        }
    }

    /// The second disk of a lineage finds the key in memory: the KMS is told of it all the same.
    @Test func rule8_aKeyInMemoryIsToldOf() throws {
        let fixture = try Self.scene.get().open()
        try fixture.done("CreateDisk DiskName=twin SnapshotId=s")
        _ = fixture.keys.takeCalls()
        try fixture.done("AttachDisk DiskId=twin")
        #expect(fixture.keys.takeCalls() == ["DescribeKey AttachDisk"])
        try fixture.store.close()
    }

    /// A whole session of work with a disk.
    @Test func rule8_workNeverCallsTheKMS() throws {
        let fixture = try Self.scene.get().open()
        let disk = try #require(fixture.store.attached(try fixture.plane.disk("data").summary.id))
        _ = fixture.keys.takeCalls()
        var bytes = [UInt8](repeating: 7, count: 9000)
        for offset in stride(from: UInt64(0), to: Scene.size - 9000, by: 5000) {
            try bytes.withUnsafeBytes { try disk.write($0, at: offset) }
            try bytes.withUnsafeMutableBytes { try disk.read(into: $0, at: offset / 2) }
        }
        try disk.flush()
        try disk.discard(at: 8192, length: 8192)
        try disk.writeZeroes(at: 100, length: 20_000)
        _ = try (disk.nextData(from: 0), disk.nextHole(from: 0))
        let reader = try fixture.store.openSnapshot(try fixture.plane.snapshot("s").summary.id)
        try bytes.withUnsafeMutableBytes { try reader.read(into: $0, at: 77) }
        reader.close()
        for request in [
            "ResizeDisk DiskId=data NewSize=1MiB", "DescribeDisks", "DescribeSnapshots",
            "DescribeInstances", "DescribeImages", "DescribeAutoSnapshotPolicyEx", "DescribeStore",
            "DescribeDiskUsage DiskId=data", "DescribeSnapshotsUsage SnapshotId=s",
            "DescribeSnapshotChanges SnapshotId=t BaseSnapshotId=s", "ScrubDisk DiskId=data",
            "ScrubSnapshot SnapshotId=s", "DeleteSnapshot SnapshotId=s",
        ] { try fixture.done(request) }
        try disk.flush()
        #expect(fixture.keys.takeCalls() == [])
        try fixture.store.close()
    }
}
