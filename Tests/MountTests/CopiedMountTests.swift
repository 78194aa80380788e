import Foundation
import HostPrograms
import Testing

extension MountSuite {
    /// A mount that another mount namespace has, too: unmounted here it serves on. A command that
    /// blocked would be ended by `timeout`, with 124 or, killed, 137.
    @Suite struct CopiedMountTests {
        /// A process in a mount namespace of its own, which begins as a copy of this one's.
        private final class Elsewhere {
            let process: Program
            var pid: pid_t { process.processIdentifier }

            init() throws {
                process = try Command.start(
                    "unshare", ["-m", "--propagation", "private", "sleep", "120"]
                ).process
                let name = "/proc/\(pid)/comm"
                while try String(contentsOfFile: name, encoding: .utf8) != "sleep\n" {
                    try #require(process.isRunning)
                    usleep(1000)
                }
            }

            func end() {
                kill(pid, SIGKILL)
                process.waitUntilExit()
            }

            deinit { end() }
        }

        private func limited(_ rig: Rig, _ arguments: String...) throws -> Command.Outcome {
            try Command.run(
                "timeout", ["-k", "5", "100", Rig.program] + arguments,
                environment: rig.environment)
        }

        @Test func theHolderIsNamedAndTheDaemonCanBeEnded() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try OpenedFile(rig.file("data"), O_RDWR).write([1, 2, 3], at: 5)
            let elsewhere = try Elsewhere()
            for arguments in [
                ["unmount", rig.mountPoint], ["unmount", rig.mountPoint], ["unmount", rig.store],
                ["mount", rig.store, rig.mountPoint], ["disk", "list", "--store", rig.store],
            ] {
                let outcome = try Command.run(
                    "timeout", ["-k", "5", "60", Rig.program] + arguments,
                    environment: rig.environment)
                #expect(outcome.status == 5, "\(outcome)")
                #expect(outcome.errors.contains("process \(elsewhere.pid) (sleep)"), "\(outcome)")
                #expect(outcome.errors.contains("unmount --force \(rig.store)"), "\(outcome)")
                #expect(!outcome.errors.contains("durable"), "\(outcome)")
            }
            let ended = try limited(rig, "unmount", "--force", rig.mountPoint)
            #expect(ended.status == 0, "\(ended)")
            try rig.mount("attach=data")
            #expect(try OpenedFile(rig.file("data"), O_RDONLY).read(at: 5, count: 3) == [1, 2, 3])
            try rig.unmount()
        }

        @Test func forcedAtOnceNothingIsLeft() throws {
            let rig = try Rig()
            try rig.mount()
            let elsewhere = try Elsewhere()
            let ended = try limited(rig, "unmount", "--force", rig.mountPoint)
            #expect(ended.status == 0, "\(ended)")
            elsewhere.end()
            try rig.mount()
            try rig.unmount()
        }

        /// The daemon leaves its folder alone when it ends: it is another's meanwhile.
        @Test func whatIsMountedThereMeanwhileStays() throws {
            let rig = try Rig()
            try rig.mount()
            let elsewhere = try Elsewhere()
            #expect(try limited(rig, "unmount", rig.mountPoint).status == 5)
            try Command.succeed("mount", "-t", "tmpfs", "none", rig.mountPoint)
            try Command.succeed("touch", rig.mountPoint + "/here")
            let ended = try limited(rig, "unmount", "--force", rig.store)
            #expect(ended.status == 0, "\(ended)")
            #expect(access(rig.mountPoint + "/here", F_OK) == 0)
            try Command.succeed("umount", rig.mountPoint)
            withExtendedLifetime(elsewhere) {}
        }
    }
}
