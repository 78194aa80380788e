import Foundation
import Testing

extension MountSuite {
    /// Sealed files of snapshots, as tools copy them.
    @Suite struct SealedFileTests {
        @Test(arguments: [true, false])
        func copiesAreTheSameOnEachReadAndMount(encrypted: Bool) throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", encrypted: encrypted, mebibytes: 64)
            let bytes = (0..<(9 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 11) }
            try OpenedFile(rig.file("data"), O_RDWR).write(bytes, at: 3 << 20)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            try OpenedFile(rig.file("data"), O_RDWR).write(bytes.reversed(), at: 3 << 20)
            let sealed = rig.snapshot("monday.sealed")
            let copy = rig.folder + "/copy"

            try Command.succeed("cp", sealed, copy)
            try Command.succeed("cmp", sealed, copy)
            try Command.succeed("cmp", sealed, copy)
            let digest = try sum(copy)
            #expect(try sum(sealed) == digest)
            try checkAttributes(sealed, as: copy)
            do {
                let reader = try OpenedFile(sealed, O_RDONLY)
                try withExtendedLifetime(reader) {
                    let (error, _) = try rig.tryRequest("DeleteSnapshot SnapshotId=monday")
                    #expect(error == EBUSY)
                }
            }
            try rig.unmount()

            try rig.mount("attach=data")
            #expect(try sum(sealed) == digest)
            try Command.succeed("cmp", sealed, copy)
            try rig.unmount()
        }

        private func checkAttributes(_ sealed: String, as copy: String) throws {
            let status = try OpenedFile(sealed, O_RDONLY).status()
            #expect(status.st_size == (try OpenedFile(copy, O_RDONLY).status().st_size))
            #expect(status.st_size > 9 << 20 && status.st_size < 10 << 20)
            #expect(Int(status.st_blocks) * 512 == Int(status.st_size))
            #expect(status.st_mode & 0o7777 == 0o400)
            expectErrno(EROFS) { _ = try OpenedFile(sealed, O_WRONLY) }
        }

        private func sum(_ path: String) throws -> Substring? {
            try Command.succeed("sha256sum", path).split(separator: " ").first
        }
    }
}
