import Foundation
import Testing

extension MountSuite {
    /// A mount whose daemon is stopped delays nobody who was not told to use it. A command that
    /// blocked would be ended by `timeout`, with 124 or, killed, 137.
    @Suite struct HungMountTests {
        private func limited(_ rig: Rig, _ arguments: String...) throws -> Command.Outcome {
            try Command.run(
                "timeout", ["-k", "5", "60", Rig.program] + arguments,
                environment: rig.environment)
        }

        @Test func aStoppedDaemonDelaysNoOtherStore() throws {
            let (hung, other, third) = (try Rig(), try Rig(), try Rig())
            try hung.mount()
            try other.mount()
            try hung.attachDisk("data", mebibytes: 16)
            let loop = try hung.loop("data")
            let pid = try hung.daemon()
            kill(pid, SIGSTOP)
            defer { kill(pid, SIGCONT) }
            for arguments in [
                ["disk", "create", "mine", "--size", "16M", "--mount", other.mountPoint],
                ["disk", "list", "--store", other.store],
                ["disk", "attach", "mine", "--loop", "--mount", other.mountPoint],
                ["disk", "show", "mine", "--mount", other.mountPoint],
                ["disk", "detach", "mine", "--mount", other.mountPoint],
                ["mount", third.store, third.mountPoint],
                ["unmount", third.mountPoint], ["unmount", other.mountPoint],
            ] {
                let outcome = try Command.run(
                    "timeout", ["-k", "5", "60", Rig.program] + arguments,
                    environment: other.environment)
                #expect(outcome.status == 0, "\(outcome)")
            }
            kill(pid, SIGCONT)
            try Command.succeed("losetup", "-d", loop)
            try hung.unmount()
        }

        @Test func aStoppedDaemonIsNamedAndCanBeEnded() throws {
            let rig = try Rig()
            try rig.mount()
            let pid = try rig.daemon()
            kill(pid, SIGSTOP)
            defer { kill(pid, SIGCONT) }
            for outcome in [
                try limited(rig, "disk", "list", "--mount", rig.mountPoint),
                try limited(rig, "unmount", rig.mountPoint),
            ] {
                #expect(outcome.status == 8, "\(outcome)")
                #expect(outcome.errors.contains("process \(pid), is stopped"), "\(outcome)")
                #expect(outcome.errors.contains("unmount --force"), "\(outcome)")
            }
            let again = try limited(rig, "mount", rig.store, rig.mountPoint)
            #expect(again.status == 5, "\(again)")
            // At a terminal it is asked for first, and "no" leaves the daemon alone.
            let asked = try Command.run(
                "sh",
                [
                    "-c",
                    "printf 'n\\n' | timeout -k 5 60 script -qec"
                        + " '\(Rig.program) unmount --force \(rig.mountPoint)' /dev/null",
                ], environment: rig.environment)
            #expect(asked.status == 9, "\(asked)")
            #expect(asked.output.contains("End the daemon of \(rig.mountPoint), process \(pid)?"))
            #expect(kill(pid, 0) == 0)
            let ended = try limited(rig, "unmount", "--force", rig.mountPoint)
            #expect(ended.status == 0, "\(ended)")
            try rig.mount()
            try rig.unmount()
        }

        /// A mount without a connection is taken away; its daemon is not called dead if it lives.
        @Test func aDaemonThatWasCutOffIsNotCalledDead() throws {
            let rig = try Rig()
            try rig.mount()
            let pid = try rig.daemon()
            kill(pid, SIGSTOP)
            defer { kill(pid, SIGCONT) }
            Guardian.abort(rig.mountPoint)
            let outcome = try limited(rig, "unmount", rig.mountPoint)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.errors.contains("process \(pid), has ended"), "\(outcome)")
            #expect(!outcome.errors.contains("had died"), "\(outcome)")
        }

        /// What libfuse would take for the end of an option must not be one.
        @Test func aStoreWithACommaAndABackslashIsFound() throws {
            let rig = try Rig()
            let store = rig.folder + #"/a,b\c d"#
            try rig.succeed("init", store)
            try rig.succeed("mount", store, rig.mountPoint)
            try rig.succeed("disk", "create", "data", "--size", "1M", "--store", store)
            try rig.unmount()
        }
    }
}
