import Testing

@testable import sealdisk

@Suite struct MountInfoTests {
    @Test func aLineIsRead() throws {
        let line =
            #"97 29 0:51 / /mnt/my\040disks\134x rw,nosuid shared:1 master:2 - "#
            + "fuse.sealdisk sealdisk rw,user_id=0"
        let mount = try #require(MountInfo(line: line))
        #expect(mount.mountPoint == #"/mnt/my disks\x"#)
        #expect(mount.type == "fuse.sealdisk")
        #expect(mount.source == "sealdisk")
        #expect(mount.owner == 0)
        #expect(mount.device == DeviceNumber(major: 0, minor: 51))
    }

    @Test func optionalFieldsMayBeMissing() throws {
        let mount = try #require(
            MountInfo(line: "36 35 7:3 /sub /mnt rw,noatime - ext4 /dev/loop3 rw,errors=continue"))
        #expect(mount.device == DeviceNumber(major: 7, minor: 3))
        #expect(mount.source == "/dev/loop3")
        #expect(mount.owner == nil)
    }

    @Test(arguments: [
        "", "36 35 7:3 /sub /mnt rw", "36 35 7 / /mnt rw - ext4 /dev/loop3 rw",
        "36 35 7:3 / /mnt rw shared:1 ext4 /dev/loop3 rw", "36 35 7:3 / /mnt rw - ext4",
    ]) func otherLinesAreNot(line: String) {
        #expect(MountInfo(line: line) == nil)
    }

    @Test func thisHostsMountsAreRead() {
        let mounts = MountInfo.current()
        #expect(mounts.contains { $0.mountPoint == "/" })
        #expect(mounts.contains { $0.type == "proc" })
    }

    static let numbers: [(UInt64, DeviceNumber)] = [
        (0x703, DeviceNumber(major: 7, minor: 3)), (0x33, DeviceNumber(major: 0, minor: 51)),
        (0x10_3302, DeviceNumber(major: 0x33, minor: 0x102)),
    ]

    @Test(arguments: numbers) func deviceNumbersArePackedAsTheKernelDoes(
        packed: UInt64, device: DeviceNumber
    ) {
        #expect(DeviceNumber(packed: packed) == device)
        #expect(device.packed == packed)
    }

    @Test func largeDeviceNumbersComeBack() {
        let device = DeviceNumber(major: 0xabcd_e123, minor: 0x1234_5678)
        #expect(DeviceNumber(packed: device.packed) == device)
    }
}
