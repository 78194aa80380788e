import Foundation
import Testing

extension MountSuite {
    /// What may not be done, on a real mount.
    @Suite struct RefusalTests {
        /// The process that serves a mount would wait for itself.
        @Test(arguments: ["log file", "keystore", "key file", "remembered key file", "store"])
        func whatTheDaemonUsesMayNotLieUnderTheMountPoint(what: String) throws {
            let rig = try Rig()
            var (arguments, environment) = ([rig.store, rig.mountPoint], rig.environment)
            let covered = rig.mountPoint + "/it"
            switch what {
            case "log file": arguments += ["--log-file", covered]
            case "keystore": environment["SEALDISK_KEYSTORE"] = covered
            case "key file": arguments += ["-o", "key_file=\(covered)"]
            case "remembered key file":
                environment["SEALDISK_KEYSTORE"] = rig.folder + "/keys/other.json"
                let made = try rig.sealdisk(
                    "kms", "activate", "--store", rig.store, "--key-file", covered,
                    environment: environment)
                #expect(made.status == 0, "\(made)")
                arguments += ["-o", "nonempty"]
            default: arguments[1] = rig.folder
            }
            let outcome = try Command.run(
                Rig.program, ["mount"] + arguments, environment: environment)
            #expect(outcome.status == 2, "\(outcome)")
            let words = what == "store" ? "would cover the store" : "lies under the mount point"
            #expect(outcome.errors.contains(words), "\(outcome)")
            let inside = try rig.sealdisk("mount", rig.store, rig.store)
            #expect(inside.status == 2, "\(inside)")
        }

        @Test func aDiskThatIsNotAttachedNeedsItsKey() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=16MiB Encrypted=true")
            var status = stat()
            try #require(stat(rig.file("data"), &status) == 0)
            #expect(status.st_mode & 0o7777 == 0)
            #expect(status.st_size == 16 << 20)
            expectErrno(ENOKEY) { _ = try OpenedFile(rig.file("data"), O_RDONLY) }
            try rig.request("AttachDisk DiskId=data")
            try #require(stat(rig.file("data"), &status) == 0)
            #expect(status.st_mode & 0o7777 == 0o600)
            let inode = status.st_ino
            try OpenedFile(rig.file("data"), O_RDWR).write([1], at: 0)
            try rig.request("DetachDisk DiskId=data")
            expectErrno(ENOKEY) { _ = try OpenedFile(rig.file("data"), O_RDONLY) }
            try rig.request("AttachDisk DiskId=data")
            try #require(stat(rig.file("data"), &status) == 0)
            #expect(status.st_ino != inode)
            #expect(try OpenedFile(rig.file("data"), O_RDONLY).read(at: 0, count: 1) == [1])
        }

        @Test func aSnapshotIsReadOnly() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            let path = rig.snapshot("monday")
            expectErrno(EROFS) { _ = try OpenedFile(path, O_RDWR) }
            expectErrno(EROFS) { _ = try OpenedFile(path, O_WRONLY | O_TRUNC) }
            for call in [
                { truncate(path, 0) }, { unlink(path) }, { chmod(path, 0o777) },
                { rename(path, path + "2") }, { mkdir(path + "3", 0o777) },
                { access(path, W_OK) },
            ] {
                #expect(call() == -1)
                #expect(errno == EROFS)
            }
            #expect(access(path, R_OK) == 0)
            try rig.request("DetachDisk DiskId=data")
            expectErrno(ENOKEY) { _ = try OpenedFile(path, O_RDONLY) }
            try rig.request("AttachDisk DiskId=data")
            _ = try OpenedFile(path, O_RDONLY)
        }

        @Test func newNamesShowAndOldOnesGoAtOnce() throws {
            let rig = try Rig()
            try rig.mount()
            func names(_ folder: String) throws -> [String] {
                try FileManager.default.contentsOfDirectory(
                    atPath: rig.mountPoint + "/" + folder
                ).sorted()
            }
            #expect(access(rig.file("data"), F_OK) == -1)
            try rig.attachDisk("data", mebibytes: 16)
            #expect(access(rig.file("data"), F_OK) == 0)
            #expect(try names("disks") == ["data"])
            #expect(access(rig.snapshot("monday"), F_OK) == -1)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            #expect(access(rig.snapshot("monday"), F_OK) == 0)
            #expect(try names("snapshots") == ["monday", "monday.json", "monday.sealed"])
            try rig.request("DeleteSnapshot SnapshotId=monday")
            #expect(access(rig.snapshot("monday"), F_OK) == -1)
            try rig.request("DetachDisk DiskId=data")
            try rig.request("DeleteDisk DiskId=data")
            #expect(access(rig.file("data"), F_OK) == -1)
            #expect(try names("disks") == [])
        }

        /// Pages that the kernel kept of the old content must not show after a rollback.
        @Test func aRollbackShowsNoStalePages() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            func content() throws -> [UInt8] {
                try OpenedFile(rig.file("data"), O_RDONLY).read(at: 0, count: 1 << 16)
            }
            let (old, new) = (
                [UInt8](repeating: 1, count: 1 << 16), [UInt8](repeating: 2, count: 1 << 16)
            )
            try OpenedFile(rig.file("data"), O_RDWR).write(old, at: 0)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            try OpenedFile(rig.file("data"), O_RDWR).write(new, at: 0)
            #expect(try content() == new)
            let held = try OpenedFile(rig.file("data"), O_RDONLY)
            #expect(try rig.tryRequest("ResetDisk DiskId=data SnapshotId=monday").errno == EBUSY)
            #expect(try held.read(at: 0, count: 1 << 16) == new)
            withExtendedLifetime(held) {}
        }

        @Test func aRollbackOfAClosedDiskShowsTheOldContent() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let old = [UInt8](repeating: 1, count: 1 << 16)
            try OpenedFile(rig.file("data"), O_RDWR).write(old, at: 0)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            try OpenedFile(rig.file("data"), O_RDWR)
                .write([UInt8](repeating: 2, count: 1 << 16), at: 0)
            try rig.request("ResetDisk DiskId=data SnapshotId=monday")
            #expect(
                try OpenedFile(rig.file("data"), O_RDONLY).read(at: 0, count: 1 << 16) == old)
        }

        @Test func aRefusedRequestFailsItsWrite() throws {
            let rig = try Rig()
            try rig.mount()
            for (request, error) in [
                ("AttachDisk DiskId=nothing", ENOENT), ("Dance", EINVAL),
                ("CreateDisk DiskName=x Size=1 Sunshine=yes", EINVAL),
            ] {
                let (errno, reply) = try rig.tryRequest(request)
                #expect(errno == error, "\(request): \(reply)")
                #expect(reply["Code"] is String && reply["Message"] is String)
            }
            let outcome = try Command.run(
                "sh",
                ["-c", "echo AttachDisk DiskId=nothing > \"$0\"", rig.mountPoint + "/control"])
            #expect(outcome.status != 0)
        }

        @Test func aWrongPassphraseAttachesNothing() throws {
            let rig = try Rig()
            let keystore = rig.folder + "/keys/other.json"
            func run(_ passphrase: String, _ arguments: String...) throws -> Command.Outcome {
                try Command.run(
                    Rig.program,
                    arguments + [
                        "--keystore", keystore, "--passphrase-command", "echo '\(passphrase)'",
                    ])
            }
            for outcome in [
                try run("correct horse", "kms", "activate", "--store", rig.store),
                try run(
                    "correct horse", "disk", "create", "data", "--size", "16M", "--encrypted",
                    "--store",
                    rig.store),
            ] {
                try #require(outcome.status == 0, "\(outcome)")
            }
            let wrong = try run(
                "wrong horse", "mount", rig.store, rig.mountPoint, "-o", "attach=data")
            #expect(wrong.status == 6, "\(wrong)")
            #expect(wrong.errors.contains("passphrase"), "\(wrong)")
            let right = try run(
                "correct horse", "mount", rig.store, rig.mountPoint, "-o", "attach=data")
            #expect(right.status == 0, "\(right)")
            #expect(try OpenedFile(rig.file("data"), O_RDONLY).read(at: 0, count: 1) == [0])
            try rig.unmount()
        }

        /// The program as another user, who may neither use the mount nor look into the store.
        private func asStranger(_ rig: Rig, _ arguments: String...) throws -> Command.Outcome {
            try Command.run(
                "timeout",
                [
                    "-k", "5", "60", "setpriv", "--reuid", "65534", "--regid", "65534",
                    "--clear-groups", rig.folder + "/sealdisk",
                ] + arguments, environment: rig.environment)
        }

        @Test func anotherUserIsToldThatItIsNotAllowed() throws {
            let rig = try Rig()
            // The build's folder may be closed to others.
            try Command.succeed("install", "-m", "755", Rig.program, rig.folder + "/sealdisk")
            try Command.succeed("chmod", "700", rig.store)
            func expectDenied(_ outcome: Command.Outcome) {
                #expect(outcome.status == 9, "\(outcome)")
                #expect(outcome.errors.contains("Permission denied"), "\(outcome)")
                #expect(outcome.errors.contains("as root"), "\(outcome)")
            }
            expectDenied(try asStranger(rig, "disk", "list", "--store", rig.store))
            for option in ["noexec", "allow_other"] {
                try rig.mount(option)
                expectDenied(try asStranger(rig, "disk", "list", "--mount", rig.mountPoint))
                expectDenied(try asStranger(rig, "disk", "list", "--store", rig.store))
                try rig.unmount()
            }
        }

        /// The mount opens the keystore: what a command names would count for nothing.
        @Test func keysGivenToACommandOfAMountedStoreAreRefused() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=16MiB Encrypted=true")
            for option in ["--passphrase-command", "--key-file", "--keystore"] {
                let outcome = try rig.sealdisk(
                    "disk", "attach", "data", option, "x", "--mount", rig.mountPoint)
                #expect(outcome.status == 2, "\(outcome)")
                #expect(outcome.errors.contains("\(option) has no effect here"), "\(outcome)")
                #expect(outcome.errors.contains("sealdisk mount \(rig.store)"), "\(outcome)")
            }
            try rig.succeed("disk", "attach", "data", "--mount", rig.mountPoint)
            try rig.unmount()
        }

        @Test func plainDisksAreRefusedWhereEncryptionIsRequired() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("plain", encrypted: false, mebibytes: 16)
            try rig.unmount()
            let outcome = try rig.sealdisk(
                "mount", rig.store, rig.mountPoint, "-o", "require=encrypted,attach=plain")
            #expect(outcome.status == 2, "\(outcome)")
            try rig.mount("require=encrypted")
            try rig.request("AttachDisk DiskId=plain")
            expectErrno(EPERM) { _ = try OpenedFile(rig.file("plain"), O_RDONLY) }
            try rig.unmount()
        }
    }
}
