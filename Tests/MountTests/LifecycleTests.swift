import Foundation
import Testing

extension MountSuite {
    @Suite struct LifecycleTests {
        @Test func aMountIsUsableWhenTheCommandReturnsAndGoneWhenUnmountDoes() throws {
            let rig = try Rig()
            try rig.mount()
            let kind = try Command.succeed("findmnt", "-no", "SOURCE,FSTYPE", rig.mountPoint)
            #expect(kind.split(separator: " ") == [rig.store[...], "fuse.sealdisk"])
            try rig.attachDisk("data", mebibytes: 16)
            try OpenedFile(rig.file("data"), O_RDWR).write([1, 2, 3], at: 5)
            let pid = try rig.daemon()
            try rig.unmount()
            #expect(kill(pid, 0) != 0 || Self.isZombie(pid))
            try rig.mount("attach=data")
            #expect(try OpenedFile(rig.file("data"), O_RDONLY).read(at: 5, count: 3) == [1, 2, 3])
            try rig.unmount()
        }

        private static func isZombie(_ pid: pid_t) -> Bool {
            let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            return text?.contains(") Z ") ?? true
        }

        /// What goes wrong, the exit code, and a piece of what is said about it.
        @Test(
            arguments: [
                ("no store", Int32(3), "cannot be reached"), ("no folder", 3, "mkdir -p"),
                ("a file", 2, "is not a folder"), ("an option", 2, "is not an option"),
                ("no disk", 3, "no disk"), ("no key", 6, "key file"),
            ], [false, true])
        func aMountThatFailsSaysWhy(
            _ failure: (cause: String, code: Int32, text: String), inForeground: Bool
        ) throws {
            let rig = try Rig()
            var (store, folder, options) = (rig.store, rig.mountPoint, "allow_other")
            var environment: [String: String] = [:]
            switch failure.cause {
            case "no store": store += "-that-is-not"
            case "no folder": folder += "-that-is-not"
            case "a file": folder = rig.keyFile
            case "an option": options = "sunshine"
            case "no disk": options = "attach=nothing"
            default:
                try rig.succeed(
                    "disk", "create", "d", "--size", "1M", "--encrypted", "--store", store)
                try FileManager.default.removeItem(atPath: rig.keyFile)
                options = "attach=d"
                environment = ["XDG_CONFIG_HOME": rig.folder]
            }
            var arguments = ["mount", store, folder, "-o", options]
            if inForeground { arguments.append("--foreground") }
            let outcome = try Command.run(
                Rig.program, arguments,
                environment: rig.environment.merging(environment) { $1 })
            #expect(outcome.status == failure.code, "\(outcome)")
            #expect(outcome.errors.contains(failure.text), "\(outcome)")
            #expect(outcome.errors.components(separatedBy: "sealdisk: ").count == 2, "\(outcome)")
            #expect(!FileManager.default.fileExists(atPath: rig.mountPoint + "/status.json"))
        }

        @Test func aStoreInUseNamesWhoUsesIt() throws {
            let rig = try Rig()
            try rig.mount()
            let other = try rig.makeFolder("other")
            for arguments in [[], ["--foreground"]] {
                let outcome = try Command.run(
                    Rig.program, ["mount", rig.store, other] + arguments,
                    environment: rig.environment)
                #expect(outcome.status == 5, "\(outcome)")
                #expect(outcome.errors.contains("sealdisk mount \(rig.mountPoint)"), "\(outcome)")
            }
            let again = try rig.sealdisk("mount", rig.store, rig.mountPoint)
            #expect(again.status == 5 && again.errors.contains("mounted already"), "\(again)")
        }

        @Test func unmountRefusesWhileAFileIsOpen() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            let outcome = try rig.sealdisk("unmount", rig.mountPoint)
            #expect(outcome.status == 5, "\(outcome)")
            #expect(outcome.errors.contains("process \(getpid())"), "\(outcome)")
            #expect(try file.write([1], at: 0) == 1)
        }

        @Test func unmountRefusesWhileALoopDeviceUsesADisk() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            let loop = try rig.loop("data")
            try Command.succeed("mkfs.ext4", "-q", loop)
            let place = try rig.makeFolder("files")
            try Command.succeed("mount", loop, place)
            let outcome = try rig.sealdisk("unmount", rig.mountPoint)
            #expect(outcome.status == 5, "\(outcome)")
            #expect(outcome.errors.contains(loop) && outcome.errors.contains(place), "\(outcome)")
            #expect(try rig.tryRequest("DetachDisk DiskId=data").errno == EBUSY)
            try Command.succeed("umount", place)
            try Command.succeed("losetup", "-d", loop)
            try rig.unmount()
        }

        /// As udev does: somebody looks at the loop device while it is freed.
        @Test func unmountWaitsForALoopDeviceThatIsBeingFreed() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let loop = try Command.succeed("losetup", "--find", "--show", rig.file("data"))
            let looker = try Command.start("sh", ["-c", "exec sleep 1 < \(loop)"])
            usleep(200_000)
            try Command.succeed("losetup", "-d", loop)
            #expect(try Command.succeed("losetup", "-j", rig.file("data")) != "")
            try rig.unmount()
            looker.process.waitUntilExit()
            #expect(try Command.run("findmnt", [rig.mountPoint]).status != 0)
        }

        @Test func aDeadMountIsTakenAway() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.killDaemon()
            let again = try rig.sealdisk("mount", rig.store, rig.mountPoint)
            #expect(again.status == 5 && again.errors.contains("daemon is gone"), "\(again)")
            let outcome = try rig.sealdisk("unmount", rig.mountPoint)
            #expect(outcome.status == 0 && outcome.errors.contains("had died"), "\(outcome)")
            try rig.mount()
            try rig.unmount()
        }

        /// As mount(8) and fstab(5) call it, with options that are none of ours.
        @Test func theHelperOfMountWorks() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.unmount()
            let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent()
            let helper = root.appendingPathComponent("Mount/mount.sealdisk").path
            let path = (Rig.program as NSString).deletingLastPathComponent
            let search = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin"
            let environment = rig.environment.merging(["PATH": "\(path):\(search)"]) { $1 }
            try Command.succeed(
                "sh", helper, rig.store, rig.mountPoint, "-n", "-o",
                "rw,noauto,nofail,x-systemd.automount,attach=data", environment: environment)
            #expect(try OpenedFile(rig.file("data"), O_RDONLY).read(at: 0, count: 1) == [0])
            try rig.unmount()
            // Failures in mount(8)'s codes.
            for (options, status) in [("attach=none", 32), ("no_such_option", 1)] as [(_, Int32)] {
                let outcome = try Command.run(
                    "sh", [helper, rig.store, rig.mountPoint, "-o", options],
                    environment: environment)
                #expect(outcome.status == status, "\(outcome)")
            }
        }

        /// The store's medium fails while the mount is in use: unmount says what it could not do.
        @Test func unmountTellsWhatIsNotDurable() throws {
            let rig = try Rig { store in
                let image = store + ".img"
                try Command.succeed("truncate", "-s", "512M", image)
                try Command.succeed("mkfs.ext4", "-q", "-F", image)
                try Command.succeed("mount", "-o", "loop", image, store)
            }
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            try OpenedFile(rig.file("data"), O_RDWR).write([1, 2, 3], at: 0)
            try Command.succeed("xfs_io", "-x", "-c", "shutdown", rig.store)
            let outcome = try rig.sealdisk("unmount", rig.mountPoint)
            #expect(outcome.status == 8, "\(outcome)")
            #expect(outcome.errors.contains("not everything is durable"), "\(outcome)")
            #expect(access(rig.mountPoint + "/status.json", F_OK) == -1)
        }

        @Test func aReadOnlyMountChangesNothing() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.unmount()
            try rig.mount("ro,attach=data")
            let path = rig.file("data")
            for flags in [O_RDWR, O_WRONLY, O_RDONLY | O_TRUNC] {
                expectErrno(EROFS) { _ = try OpenedFile(path, flags) }
            }
            for call in [
                { truncate(path, 32 << 20) }, { utimes(path, nil) }, { chmod(path, 0o600) },
                { unlink(path) }, { mkdir(path + "2", 0o700) }, { access(path, W_OK) },
            ] {
                #expect(call() == -1)
                #expect(errno == EROFS)
            }
            #expect(try OpenedFile(path, O_RDONLY).read(at: 0, count: 1) == [0])
            try rig.unmount()
        }

        @Test func aReadOnlyMountAnswersQuestionsAndAttaches() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            try rig.unmount()
            try rig.mount("ro")
            try rig.succeed("disk", "attach", "data")
            #expect(try rig.succeed("disk", "list").contains("data"))
            #expect(try rig.succeed("disk", "show", "data").contains("In_use"))
            #expect(try rig.succeed("snapshot", "list").contains("monday"))
            #expect(try rig.succeed("api", "DescribeStore").contains(rig.store))
            for arguments in [
                ["disk", "create", "more", "--size", "1M"], ["disk", "delete", "data"],
                ["disk", "resize", "data", "--size", "32M"], ["snapshot", "delete", "monday"],
                ["snapshot", "create", "data", "--name", "tuesday"],
                ["disk", "attach", "data", "--loop"],
            ] {
                let outcome = try Command.run(
                    Rig.program, arguments, environment: rig.environment)
                #expect(outcome.status == 9, "\(outcome)")
                #expect(outcome.errors.contains("read-only"), "\(outcome)")
            }
            let loop = try rig.succeed("disk", "attach", "data", "--loop", "--read-only")
            #expect(try Command.succeed("blockdev", "--getro", loop) == "1")
            try rig.succeed("disk", "detach", "data")
            try rig.unmount()
        }
    }
}

extension Rig {
    /// A loop device over a disk's file, or over a snapshot's.
    func loop(_ disk: String, readOnly: Bool = false) throws -> String {
        let path = readOnly ? snapshot(disk) : file(disk)
        let access = readOnly ? ["--read-only"] : []
        let arguments =
            ["--find", "--show", "--direct-io=on", "--sector-size", "4096"] + access + [path]
        let outcome = try Command.run("losetup", arguments)
        guard outcome.status == 0 else { throw Command.Failure(description: "\(outcome)") }
        return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
