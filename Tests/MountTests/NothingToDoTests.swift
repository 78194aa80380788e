import Foundation
import Testing

extension MountSuite {
    /// Commands on what is already as they would have it, and on what somebody has open.
    @Suite struct NothingToDoTests {
        private func disk(_ rig: Rig, _ words: String...) throws -> Command.Outcome {
            try Command.run(
                Rig.program, ["disk"] + words + ["--mount", rig.mountPoint],
                environment: rig.environment)
        }

        @Test func whatNeedsNothingSucceedsAndSaysSo() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let attach = try disk(rig, "attach", "data")
            #expect(attach.status == 0 && attach.output == rig.file("data") + "\n", "\(attach)")
            #expect(attach.errors.contains("attached already"))
            let resize = try disk(rig, "resize", "data", "--size", "16M")
            #expect(resize.status == 0 && resize.errors.contains("already"), "\(resize)")
            #expect(try disk(rig, "detach", "data").status == 0)
            let detach = try disk(rig, "detach", "data")
            #expect(detach.status == 0 && detach.errors.contains("not attached"), "\(detach)")
            #expect(try rig.tryRequest("DetachDisk DiskId=data").errno == EBUSY)
            try rig.unmount()
        }

        @Test func aResetTakesItsLoopDevicesAwayAndSetsThemUpAgain() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=s")
            #expect(try disk(rig, "attach", "data", "--loop").status == 0)
            let reset = try disk(rig, "reset", "data", "--snapshot", "s")
            #expect(reset.status == 0 && reset.output.contains("/dev/loop"), "\(reset)")
            let loops = try Command.succeed("losetup", "-nO", "NAME", "-j", rig.file("data"))
            #expect(loops.hasPrefix("/dev/loop") && reset.output.contains(loops), "\(loops)")
            #expect(try disk(rig, "detach", "data").status == 0)
            try rig.unmount()
        }

        @Test func whoHasADiskOpenIsNamed() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=s")
            let reader = try OpenedFile(rig.file("data"), O_RDONLY)
            for words in [["detach", "data"], ["reset", "data", "--snapshot", "s"]] {
                let refused = try Command.run(
                    Rig.program, ["disk"] + words + ["--mount", rig.mountPoint],
                    environment: rig.environment)
                #expect(refused.status == 5, "\(refused)")
                #expect(refused.errors.contains("process \(getpid()) ("), "\(refused)")
            }
            withExtendedLifetime(reader) {}
        }
    }
}
