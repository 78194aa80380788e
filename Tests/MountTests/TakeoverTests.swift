import Foundation
import Testing

extension MountSuite {
    /// Another process takes a mount over while it is used.
    @Suite struct TakeoverTests {
        private func takeOver(_ rig: Rig, _ options: String...) throws -> Command.Outcome {
            try Command.run(
                Rig.program, ["mount", "--takeover", rig.store, rig.mountPoint] + options,
                environment: rig.environment)
        }

        /// Takes the mount over; gives the processes before and after.
        @discardableResult
        private func succeed(_ rig: Rig) throws -> (before: pid_t, after: pid_t) {
            let before = try rig.daemon()
            let outcome = try takeOver(rig)
            #expect(outcome.status == 0, "\(outcome)")
            let after = try rig.daemon()
            rig.watch(after)
            #expect(before != after)
            return (before, after)
        }

        @Test func whatIsOpenStaysOpen() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.attachDisk("plain", encrypted: false, mebibytes: 16)
            let disk = try OpenedFile(rig.file("data"), O_RDWR)
            let plain = try OpenedFile(rig.file("plain"), O_RDWR)
            try disk.write([1, 2, 3], at: 5)
            try plain.write([4, 5], at: 7)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=s")
            let snapshot = try OpenedFile(rig.snapshot("s"), O_RDONLY)
            let sealed = try OpenedFile(rig.snapshot("s.sealed"), O_RDONLY)
            let whole = try sealed.read(at: 0, count: 4096)
            let status = try OpenedFile(rig.mountPoint + "/status.json", O_RDONLY)
            let control = try OpenedFile(rig.mountPoint + "/control", O_RDWR)
            let request = Array("DescribeDisks DiskName=data".utf8)
            #expect(write(control.descriptor, request, request.count) == request.count)
            var first = [UInt8](repeating: 0, count: 10)
            #expect(read(control.descriptor, &first, 10) == 10)
            let before = try disk.status()

            try succeed(rig)

            #expect(try disk.read(at: 5, count: 3) == [1, 2, 3])
            try disk.write([9], at: 6)
            try disk.synchronize()
            #expect(try plain.read(at: 7, count: 2) == [4, 5])
            #expect(try snapshot.read(at: 5, count: 3) == [1, 2, 3])
            #expect(try sealed.read(at: 0, count: 4096) == whole)
            #expect(try status.read(at: 0, count: 1) == Array("{".utf8))
            let rest = FileHandle(fileDescriptor: control.descriptor).readDataToEndOfFile()
            let reply = try JSONSerialization.jsonObject(with: Data(first) + rest)
            #expect((reply as? [String: Any])?["TotalCount"] as? Int == 1)
            let after = try disk.status()
            #expect(after.st_ino == before.st_ino)
            // The same names, by another process, with nothing forgotten.
            #expect(try OpenedFile(rig.file("data"), O_RDONLY).read(at: 5, count: 3) == [1, 9, 3])
            // Who has it open still counts.
            #expect(try rig.tryRequest("DetachDisk DiskId=data").errno == EBUSY)
        }

        @Test func aFileSystemGoesOnUnderLoadThroughSeveral() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=256MiB Encrypted=true")
            let loop = try rig.succeed("disk", "attach", "data", "--loop")
            try Command.succeed("mkfs.ext4", "-q", loop)
            let folder = try rig.makeFolder("data")
            try Command.succeed("mount", loop, folder)
            defer { _ = try? Command.run("umount", ["-l", folder]) }
            let load = try Command.start(
                "fio",
                [
                    "--name=load", "--directory=\(folder)", "--size=24M", "--rw=randrw", "--bs=4k",
                    "--ioengine=psync", "--verify=crc32c", "--verify_backlog=32", "--time_based",
                    "--runtime=4", "--fsync=64", "--verify_state_save=0",
                    "--output=\(rig.folder)/fio.out",
                ])
            for _ in 0..<3 {
                usleep(700_000)
                try succeed(rig)
            }
            load.process.waitUntilExit()
            let report = try String(contentsOfFile: rig.folder + "/fio.out", encoding: .utf8)
            #expect(load.process.terminationStatus == 0, "\(report)")
            #expect(report.contains("err= 0"), "\(report)")
            try Command.succeed("umount", folder)
            try Command.succeed("e2fsck", "-fn", loop)
            try rig.succeed("disk", "detach", "data")
            try rig.unmount()
            #expect(try Command.run("findmnt", [rig.mountPoint]).status != 0)
        }

        /// Somebody who asks for the mount, gets it, and dies: the first process opens the store
        /// again, and nobody notices more than a pause.
        @Test func whoeverDiesWithItGivesItBack() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let disk = try OpenedFile(rig.file("data"), O_RDWR)
            try disk.write([1, 2, 3], at: 5)
            let daemon = try rig.daemon()
            let outcome = try Command.run(
                "python3", ["-c", Self.asker, "/run/sealdisk-\(daemon).handover", "1"])
            #expect(outcome.output.contains("\"offer\""), "\(outcome)")
            #expect(try disk.read(at: 5, count: 3) == [1, 2, 3])
            try disk.write([7], at: 5)
            try disk.synchronize()
            #expect(try rig.daemon() == daemon)
            // And it can be taken over still.
            try succeed(rig)
            #expect(try disk.read(at: 5, count: 3) == [7, 2, 3])
        }

        /// The new process cannot open the store with what it was told: it says so, and the other
        /// goes on.
        @Test func whoCannotOpenTheStoreGivesItBack() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let disk = try OpenedFile(rig.file("data"), O_RDWR)
            let daemon = try rig.daemon()
            let outcome = try takeOver(rig, "-o", "anchor=\(rig.keyFile)")
            #expect(outcome.status != 0, "\(outcome)")
            #expect(outcome.errors.contains("anchor"), "\(outcome)")
            try disk.write([7], at: 5)
            try disk.synchronize()
            #expect(try rig.daemon() == daemon)
        }

        @Test func whatHindersItIsSaidAndNothingIsStopped() throws {
            let rig = try Rig()
            try rig.mount()
            let daemon = try rig.daemon()
            // Another version's idea of what is handed over.
            let asked = try Command.run(
                "python3", ["-c", Self.asker, "/run/sealdisk-\(daemon).handover", "99"])
            #expect(asked.output.contains("do not agree"), "\(asked)")
            // An import that has begun.
            let intake = try OpenedFile(rig.mountPoint + "/import", O_WRONLY)
            let part = [UInt8](repeating: 0x53, count: 4)
            _ = write(intake.descriptor, part, part.count)
            let outcome = try takeOver(rig)
            #expect(outcome.status == 5 && outcome.errors.contains("imported"), "\(outcome)")
            // A store that is not the one mounted there, and a place where nothing is.
            let other = try rig.makeFolder("other")
            let elsewhere = try Command.run(
                Rig.program, ["mount", "--takeover", rig.store, other],
                environment: rig.environment)
            #expect(elsewhere.status == 3, "\(elsewhere)")
            let wrong = try Command.run(
                Rig.program, ["mount", "--takeover", other, rig.mountPoint],
                environment: rig.environment)
            #expect(wrong.status == 2, "\(wrong)")
            #expect(try rig.daemon() == daemon)
        }

        /// Another user can neither reach the socket nor, were its mode another, be heard.
        @Test func nobodyElseIsHeard() throws {
            let rig = try Rig()
            try rig.mount()
            let daemon = try rig.daemon()
            let socket = "/run/sealdisk-\(daemon).handover"
            func ask() throws -> Command.Outcome {
                try Command.run(
                    "setpriv",
                    [
                        "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3",
                        "-c",
                        Self.asker, socket, "1",
                    ])
            }
            let refused = try ask()
            #expect(refused.errors.contains("PermissionError"), "\(refused)")
            #expect(chmod(socket, 0o666) == 0)
            let unheard = try ask()
            #expect(unheard.status != 0 && !unheard.output.contains("offer"), "\(unheard)")
            #expect(try rig.daemon() == daemon)
            // The place goes with the process.
            try rig.unmount()
            #expect(access(socket, F_OK) != 0)
        }

        /// Sends a request of that version, prints the answer, and dies with what came along.
        private static let asker = """
            import json, socket, struct, sys
            s = socket.socket(socket.AF_UNIX)
            s.connect(sys.argv[1])
            text = json.dumps({"request": {"version": int(sys.argv[2])}}).encode()
            s.sendall(struct.pack("<Q", len(text)) + text)
            head = s.recv(8, socket.MSG_WAITALL)
            print(s.recv(struct.unpack("<Q", head)[0], socket.MSG_WAITALL).decode())
            """
    }
}
