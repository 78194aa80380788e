import Foundation
import Testing

extension MountSuite {
    /// The end of a mount by a signal: bounded in time, and it tells what it could not do.
    @Suite struct EndTests {
        @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
        func aSignalLeavesCleanly(signal: Int32) throws {
            let rig = try Rig()
            let daemon = try rig.mountInForeground()
            try rig.attachDisk("data", mebibytes: 16)
            try OpenedFile(rig.file("data"), O_RDWR).write([7], at: 4095)
            let (status, errors) = daemon.end(by: signal)
            #expect(status == 0, "\(errors)")
            #expect(!FileManager.default.fileExists(atPath: rig.mountPoint + "/status.json"))
            try rig.mount("attach=all")
            #expect(try OpenedFile(rig.file("data"), O_RDONLY).read(at: 4095, count: 1) == [7])
            try rig.unmount()
        }

        /// Numbers of processes are used again.
        @Test func whatAnEarlierProcessOfTheNumberLeftIsNotTold() throws {
            let rig = try Rig()
            let daemon = try rig.mountInForeground(
                through: [
                    "sh", "-c", "echo earlier > /run/sealdisk-$$.failure; exec \"$0\" \"$@\"",
                ])
            #expect(
                daemon.started.process.processIdentifier == (try rig.daemon()),
                "the note was not left under its number")
            try rig.unmount()
        }

        /// Who reads what the daemon prints may go: that ends no mount.
        @Test func aBrokenPipeEndsNothing() throws {
            let rig = try Rig()
            let daemon = try rig.mountInForeground()
            kill(try rig.daemon(), SIGPIPE)
            try rig.attachDisk("data", mebibytes: 16)
            try OpenedFile(rig.file("data"), O_RDWR).write([7], at: 4095)
            let (status, errors) = daemon.end(by: SIGTERM)
            #expect(status == 0, "\(errors)")
        }

        /// Leaving takes the mount from under its users; who they were stands in the log.
        @Test func aSignalCutsUsersOffAndNamesThem() throws {
            let rig = try Rig()
            let daemon = try rig.mountInForeground()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.attachDisk("looped", mebibytes: 16)
            let loop = try rig.loop("looped")
            defer { _ = try? Command.run("losetup", ["-d", loop]) }
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            try file.write([7], at: 4095)
            let (status, errors) = daemon.end(by: SIGTERM)
            #expect(status == 5, "\(errors)")
            #expect(errors.contains("still in use: disk data: 1 handle"), "\(errors)")
            #expect(errors.contains("is the loop device \(loop)"), "\(errors)")
            expectErrno(ENOTCONN) { try file.write([8], at: 0) }
            try rig.mount("attach=all")
            #expect(try OpenedFile(rig.file("data"), O_RDONLY).read(at: 4095, count: 1) == [7])
            try rig.unmount()
        }

        /// A request that waits for a passphrase keeps nothing.
        @Test func aRequestThatWaitsForTheKMSDoesNotKeepTheProcess() throws {
            let rig = try Rig()
            let keystore = rig.folder + "/keys/asked.json"
            let environment = ["SEALDISK_KEYSTORE": keystore]
            let made = try rig.sealdisk(
                "kms", "activate", "--store", rig.store, "--passphrase-command", "echo open sesame",
                environment: environment)
            #expect(made.status == 0, "\(made)")
            // Not there when the mount begins, so that it is opened by the request.
            try FileManager.default.moveItem(atPath: keystore, toPath: keystore + ".later")
            let note = rig.folder + "/asked"
            let daemon = try rig.mountInForeground(
                "passphrase_command=touch \(note); sleep 1000", environment: environment)
            try FileManager.default.moveItem(atPath: keystore + ".later", toPath: keystore)
            let request = try Command.start(
                "sh",
                [
                    "-c", "echo CreateDisk DiskName=d Size=1MiB Encrypted=true >\"$1\"", "sh",
                    rig.mountPoint + "/control",
                ])
            while !FileManager.default.fileExists(atPath: note) {
                try #require(request.process.isRunning)
                usleep(10_000)
            }
            // Others are heard meanwhile: the kernel lets one at a time write to an inode.
            let other = try Command.run(
                "timeout",
                [
                    "-k", "1", "60", "sh", "-c", "echo DescribeStore >\"$0\"",
                    rig.mountPoint + "/control",
                ])
            #expect(other.status == 0, "\(other)")
            let (status, errors) = daemon.end(by: SIGTERM)
            #expect(status == 0, "\(errors)")
        }

        /// A rig whose medium can be frozen.
        private static func rigOnExt4() throws -> Rig {
            try Rig { store in
                let image = store + ".img"
                try Command.succeed("truncate", "-s", "512M", image)
                try Command.succeed("mkfs.ext4", "-q", "-F", image)
                try Command.succeed("mount", "-o", "loop", image, store)
            }
        }

        /// The mount is gone and the store is being closed: a signal then finds no session to end.
        @Test func aSignalWhileTheStoreIsClosedChangesNothing() throws {
            let rig = try Self.rigOnExt4()
            let daemon = try rig.mountInForeground()
            try rig.attachDisk("data", mebibytes: 64)
            try OpenedFile(rig.file("data"), O_RDWR).write([1, 2, 3], at: 0)
            try Command.succeed("fsfreeze", "--freeze", rig.store)
            let store = rig.store
            let thaw: @Sendable () -> Void = {
                _ = try? Command.run("fsfreeze", ["--unfreeze", store])
            }
            defer { thaw() }
            let guardian = Guardian(seconds: 60, over: "a signal at the end", alsoEnd: thaw)
            defer { guardian.stop() }
            try Command.succeed("umount", rig.mountPoint)
            // Time to reach the closing, which waits for the medium; were it too short, the test
            // would pass for nothing, never fail.
            usleep(300_000)
            kill(daemon.started.process.processIdentifier, SIGTERM)
            usleep(100_000)
            try Command.succeed("fsfreeze", "--unfreeze", rig.store)
            let (status, errors) = daemon.end(by: 0)
            #expect(status == 0, "\(errors)")
            try rig.mount("attach=all")
            let bytes = try OpenedFile(rig.file("data"), O_RDONLY).read(at: 0, count: 3)
            #expect(bytes == [1, 2, 3])
            try rig.unmount()
        }

        /// The store's file system is frozen: nothing can be made durable; nobody waits for ever.
        @Test(arguments: [false, true])
        func aHangingMediumIsLeftInTime(bySignal: Bool) throws {
            let rig = try Self.rigOnExt4()
            let daemon = try rig.mountInForeground("end_timeout=3")
            try rig.attachDisk("data", mebibytes: 64)
            try OpenedFile(rig.file("data"), O_RDWR).write([1, 2, 3], at: 0)
            try Command.succeed("fsfreeze", "--freeze", rig.store)
            let store = rig.store
            let thaw: @Sendable () -> Void = {
                _ = try? Command.run("fsfreeze", ["--unfreeze", store])
            }
            defer { thaw() }
            let guardian = Guardian(
                seconds: 60, over: "the end on a frozen medium", alsoEnd: thaw)
            defer { guardian.stop() }
            if bySignal {
                kill(daemon.started.process.processIdentifier, SIGTERM)
                // Its first thread has left; another may still wait for the medium.
                while !daemon.hasLeft { usleep(10_000) }
                #expect(!rig.isListed)
            } else {
                let outcome = try rig.sealdisk("unmount", rig.mountPoint)
                #expect(outcome.status == 8, "\(outcome)")
                #expect(outcome.errors.contains("not everything is durable"), "\(outcome)")
                #expect(outcome.errors.contains("data"), "\(outcome)")
            }
            // A thread that waits for the medium is kept by the kernel, and the process with it.
            try Command.succeed("fsfreeze", "--unfreeze", rig.store)
            let (status, errors) = daemon.end(by: 0)
            #expect(status == 8, "\(errors)")
            #expect(errors.contains("did not close in time"), "\(errors)")
            #expect(errors.contains("may be lost if the host loses power now: data"), "\(errors)")
            try rig.mount("attach=all")
            let bytes = try OpenedFile(rig.file("data"), O_RDONLY).read(at: 0, count: 3)
            #expect(bytes == [1, 2, 3])
            try rig.unmount()
        }
    }
}

/// A mount in the foreground.
struct ForegroundMount {
    let started: Command.Started

    var hasLeft: Bool {
        let file = "/proc/\(started.process.processIdentifier)/stat"
        return (try? String(contentsOfFile: file, encoding: .utf8))?.contains(") Z ") ?? true
    }

    /// Sends a signal and waits for the end: the exit status, and what was written to stderr.
    func end(by signal: Int32) -> (status: Int32, errors: String) {
        kill(started.process.processIdentifier, signal)
        let errors = started.errors.fileHandleForReading.readDataToEndOfFile()
        started.process.waitUntilExit()
        return (started.process.terminationStatus, String(decoding: errors, as: UTF8.self))
    }
}

extension Rig {
    /// Returns when the mount answers.
    func mountInForeground(
        _ options: String..., environment more: [String: String] = [:],
        through wrapper: [String] = []
    ) throws -> ForegroundMount {
        let command =
            wrapper + [Self.program, "mount", store, mountPoint, "--foreground"]
            + options.flatMap { ["-o", $0] }
        let started = try Command.start(
            command[0], Array(command.dropFirst()), environment: environment.merging(more) { $1 })
        while !FileManager.default.fileExists(atPath: mountPoint + "/status.json") {
            try #require(started.process.isRunning, "it did not mount")
            usleep(10_000)
        }
        watch(started.process.processIdentifier)
        return ForegroundMount(started: started)
    }
}
