import Foundation
import HostPrograms
import Testing

extension MountSuite {
    /// `snapshot create --freeze`.
    @Suite struct FreezeTests {
        /// A disk with a mounted ext4 on its loop device.
        private func mounted(_ rig: Rig) throws -> String {
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            return try fileSystem(rig)
        }

        private func fileSystem(_ rig: Rig) throws -> String {
            let loop = try rig.loop("data")
            try Command.succeed("mkfs.ext4", "-q", "-F", loop)
            let place = rig.folder + "/ext4"
            try FileManager.default.createDirectory(
                atPath: place, withIntermediateDirectories: true)
            try Command.succeed("mount", loop, place)
            return place
        }

        private func isFrozen(_ place: String) throws -> Bool {
            // A frozen file system takes no second freeze.
            let outcome = try Command.run("fsfreeze", ["--freeze", place])
            if outcome.status == 0 { try Command.succeed("fsfreeze", "--unfreeze", place) }
            return outcome.status != 0
        }

        /// The file system in the snapshot is clean: its journal needs no recovery.
        @Test func aFrozenSnapshotNeedsNoRecovery() throws {
            let rig = try Rig()
            let place = try mounted(rig)
            defer { _ = try? Command.run("umount", [place]) }
            let writer = try Program(
                "sh",
                [
                    "-c",
                    "i=0; while [ $i -lt 4000 ]; do i=$((i+1)); "
                        + "echo $i > '\(place)'/f$((i%50)); done",
                ])
            defer {
                writer.terminate()
                writer.waitUntilExit()
            }
            usleep(200_000)
            try rig.succeed("snapshot", "create", "data", "--name", "rest", "--freeze")
            #expect(try !isFrozen(place))
            let snapshot = rig.mountPoint + "/snapshots/rest"
            let header = try Command.succeed("dumpe2fs", "-h", snapshot)
            #expect(!header.contains("needs_recovery"), "\(header)")
            let check = try Command.run("e2fsck", ["-fn", snapshot])
            #expect(check.status == 0, "\(check)")
        }

        @Test func whoIsFrozenAlreadyIsNotThawed() throws {
            let rig = try Rig()
            let place = try mounted(rig)
            defer { _ = try? Command.run("umount", [place]) }
            try Command.succeed("fsfreeze", "--freeze", place)
            let outcome = try rig.sealdisk("snapshot", "create", "data", "--freeze")
            let isStill = try isFrozen(place)
            try Command.succeed("fsfreeze", "--unfreeze", place)
            #expect(outcome.status != 0)
            #expect(outcome.errors.contains("frozen already"), "\(outcome)")
            #expect(isStill)
            #expect(try !rig.succeed("snapshot", "list").contains("s-"))
        }

        /// Whoever of the two is killed, the file system goes on; and when the time is over.
        @Test(arguments: ["command", "keeper", "time"]) func itIsAlwaysThawed(end: String) throws {
            let rig = try Rig()
            let place = try mounted(rig)
            defer { _ = try? Command.run("umount", [place]) }
            // The keeper as the command starts it, its input held open by a pipe of this process.
            let (word, say) = (Pipe(), Pipe())
            let keeper = try Program(
                Rig.program, ["keep-frozen", end == "time" ? "1" : "60", "--", place],
                input: .pipe(word), output: .pipe(say))
            #expect(try say.fileHandleForReading.read(upToCount: 2) == Data("0\n".utf8))
            #expect(try isFrozen(place))
            switch end {
            case "command": try word.fileHandleForWriting.close()
            case "keeper":
                keeper.signal(SIGKILL)
                keeper.waitUntilExit()
                // As the command does that finds it gone.
                try Command.succeed("fsfreeze", "--unfreeze", place)
            default: break
            }
            keeper.waitUntilExit()
            #expect(try !isFrozen(place))
            if end != "keeper" {
                let last = try say.fileHandleForReading.readToEnd() ?? Data()
                #expect(
                    String(decoding: last, as: UTF8.self) == (end == "time" ? "late\n" : "thawed\n")
                )
            }
        }

        /// A snapshot that was taken after the thaw is not what was asked for, and does not stay.
        @Test func aSnapshotThatComesLateIsNone() throws {
            let rig = try Rig()
            let place = try mounted(rig)
            defer { _ = try? Command.run("umount", [place]) }
            try rig.attachDisk("other", mebibytes: 16)
            let file = try OpenedFile(rig.file("other"), O_RDONLY)
            // Requests that change the store take turns, and each of these waits a second for the
            // file to be closed.
            let slow = try (0..<3).map { _ in
                try Command.start(
                    "sh",
                    [
                        "-c", "echo DetachDisk DiskId=other >\"$1\"", "sh",
                        rig.mountPoint + "/control",
                    ])
            }
            usleep(300_000)
            let outcome = try rig.sealdisk(
                "snapshot", "create", "data", "--name", "rest", "--freeze", "--freeze-timeout", "1")
            #expect(outcome.status == 5, "\(outcome)")
            #expect(outcome.errors.contains("not taken within the 1 seconds"), "\(outcome)")
            #expect(try !isFrozen(place))
            for request in slow { request.process.waitUntilExit() }
            _ = file
            #expect(try rig.request("DescribeSnapshots")["TotalCount"] as? Int == 0)
        }

        @Test func thereMustBeSomethingToFreeze() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let outcome = try rig.sealdisk("snapshot", "create", "data", "--freeze")
            #expect(outcome.status != 0)
            #expect(outcome.errors.contains("no loop device"), "\(outcome)")
            _ = try rig.loop("data")
            let again = try rig.sealdisk("snapshot", "create", "data", "--freeze")
            #expect(again.status != 0)
            #expect(again.errors.contains("is mounted here"), "\(again)")
        }
    }
}
