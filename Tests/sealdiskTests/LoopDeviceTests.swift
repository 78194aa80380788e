import Glibc
import Testing

@testable import sealdisk

/// Real loop devices over a sparse file; they need root, as the tests of mounts do.
@Suite(.serialized) struct LoopDeviceTests {
    @Test func aLoopDeviceComesAndGoes() throws {
        let file = try TemporaryFile(size: 1 << 20)
        let loop = try LoopDevice.create(over: file.path, readOnly: false)
        defer { try? loop.remove() }
        #expect(loop.backingFile == file.path)
        #expect(!loop.isReadOnly)
        #expect(HostText.line("/sys/block/loop\(loop.number)/queue/logical_block_size") == "4096")
        #expect(HostText.line("/sys/block/loop\(loop.number)/size") == "2048")
        #expect(LoopDevice.all(of: file.path) == [loop])
        #expect(loop.blockDevices.map(\.name) == ["loop\(loop.number)"])
        try loop.checkUnused()
        #expect(truncate(file.path, 2 << 20) == 0)
        try loop.updateSize()
        #expect(HostText.line("/sys/block/loop\(loop.number)/size") == "4096")
        try loop.remove()
        #expect(LoopDevice.all(of: file.path).isEmpty)
    }

    /// Only the device whose path is that of the file is asked: any other may lie in a mount
    /// that does not answer.
    @Test func theDevicesOfAFileAreFoundByItsPath() throws {
        let file = try TemporaryFile(size: 1 << 20)
        let loop = try LoopDevice.create(over: file.path, readOnly: true)
        defer { try? loop.remove() }
        #expect(loop.isReadOnly)
        let other = file.path + ".other"
        #expect(link(file.path, other) == 0)
        defer { unlink(other) }
        #expect(LoopDevice.all(of: other).isEmpty)
        #expect(LoopDevice.all(of: file.path) == [loop])
    }

    @Test func aDeviceInUseIsNotTakenAway() throws {
        let file = try TemporaryFile(size: 1 << 20)
        let loop = try LoopDevice.create(over: file.path, readOnly: false)
        defer { try? loop.remove() }
        let holder = open(loop.path, O_RDONLY | O_EXCL | O_CLOEXEC)
        #expect(holder >= 0)
        defer { close(holder) }
        do {
            try loop.checkUnused()
            Issue.record("a device that is in use passed")
        } catch {
            #expect(error.exitCode == 5)
            #expect(error.message.contains(loop.path))
        }
    }

    @Test func aDeviceThatIsOpenNamesWhoHasIt() throws {
        let file = try TemporaryFile(size: 1 << 20)
        let loop = try LoopDevice.create(over: file.path, readOnly: false)
        defer { try? loop.remove() }
        let reader = open(loop.path, O_RDONLY | O_CLOEXEC)
        defer { close(reader) }
        do {
            try loop.checkUnused()
            Issue.record("a device that is open passed")
        } catch {
            #expect(error.exitCode == 5)
            #expect(error.message.contains("(\(getpid()))"))
        }
    }

    @Test func whatIsNotThereIsSaid() {
        do {
            _ = try LoopDevice.create(over: "/nonexistent/file", readOnly: false)
            Issue.record("a loop device over nothing")
        } catch {
            #expect(error.message.contains("/nonexistent/file"))
        }
    }
}

/// A file of its own folder, which goes away with its owner.
final class TemporaryFile {
    private let folder: TemporaryFolder
    let path: String

    init(size: Int) throws {
        folder = try TemporaryFolder()
        path = folder.path + "/file"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try #require(ftruncate(descriptor, size) == 0)
    }
}

/// What the udev rule is told.
@Suite struct LoopNameTests {
    @Test func aDeviceIsCalledByItsDisk() {
        func name(_ file: String) -> String? {
            LoopNameCommand.name(of: file, among: ["/mnt/seal", "/srv/a b"])
        }
        #expect(name("/mnt/seal/disks/data") == "data")
        #expect(name("/srv/a b/disks/web.1:x-2_y") == "web.1:x-2_y")
        #expect(name("/mnt/seal/snapshots/monday") == "snapshot-monday")
        #expect(name("/mnt/seal/disks/data (deleted)") == nil)
        #expect(name("/mnt/seal/disks/a/b") == nil)
        #expect(name("/mnt/sealed/disks/data") == nil)
        #expect(name("/mnt/seal/control") == nil)
    }

    /// A snapshot's journal is not played back; xfs refuses a second file system of its name.
    @Test func snapshotsAreMountedByTheirType() {
        #expect(LoopSetUp.options(ofSnapshotWith: "ext4") == ["ro", "noload"])
        #expect(LoopSetUp.options(ofSnapshotWith: "xfs") == ["ro", "norecovery", "nouuid"])
        #expect(LoopSetUp.options(ofSnapshotWith: "") == ["ro"])
    }
}
