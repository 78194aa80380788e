import Foundation
import Testing

extension MountSuite {
    /// `mount --recover` after a crash of the daemon.
    @Suite struct RecoverTests {
        @Test func aDeadMountIsClearedWithAllThatStoodOnIt() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=64MiB Encrypted=true")
            try rig.attachDisk("bare", mebibytes: 16)
            let loop = try rig.succeed("disk", "attach", "data", "--loop")
            let bare = try rig.succeed("disk", "attach", "bare", "--loop")
            try Command.succeed("mkfs.ext4", "-q", loop)
            let folder = try rig.makeFolder("data")
            try Command.succeed("mount", loop, folder)
            defer { _ = try? Command.run("umount", ["-l", folder]) }
            try Data("kept".utf8).write(to: URL(fileURLWithPath: folder + "/kept"))
            try Command.succeed("sync", "-f", folder)
            // Somebody keeps a file open: he must keep nobody.
            let open = try OpenedFile(folder + "/kept", O_RDONLY)

            // One that is served is left alone.
            let early = try rig.sealdisk("mount", "--recover", rig.store, rig.mountPoint)
            #expect(early.status == 5 && early.errors.contains("nothing to recover"), "\(early)")

            try rig.killDaemon()
            let outcome = try rig.sealdisk(
                "mount", "--recover", rig.store, rig.mountPoint, "-o", "attach=data")
            #expect(outcome.status == 0, "\(outcome)")
            rig.watch(try rig.daemon())
            #expect(
                outcome.errors.contains("disk data had ext4 mounted at \(folder)"), "\(outcome)")
            #expect(outcome.errors.contains("e2fsck"), "\(outcome)")
            #expect(outcome.errors.contains("disk bare was \(bare)"), "\(outcome)")
            #expect(try Command.run("findmnt", [folder]).status != 0)

            let again = try rig.succeed("disk", "attach", "data", "--loop")
            #expect(try Command.run("e2fsck", ["-fp", again]).status <= 1)
            try Command.succeed("mount", again, folder)
            #expect(try String(contentsOfFile: folder + "/kept", encoding: .utf8) == "kept")
            try Command.succeed("umount", folder)
            withExtendedLifetime(open) {}
        }

        /// Nothing is there to recover: it mounts.
        @Test func whereNothingIsLeftItMounts() throws {
            let rig = try Rig()
            let outcome = try rig.sealdisk("mount", "--recover", rig.store, rig.mountPoint)
            #expect(outcome.status == 0, "\(outcome)")
            rig.watch(try rig.daemon())
        }
    }
}
