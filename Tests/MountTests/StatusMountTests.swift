import Foundation
import Testing

extension MountSuite {
    /// `sealdisk status`, `doctor` and `jobs` on real mounts.
    @Suite struct StatusMountTests {
        private func json(_ text: String) throws -> [String: Any] {
            try #require(
                try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        }

        /// The entry of this rig's store: others may be mounted on the host.
        private func store(_ rig: Rig) throws -> [String: Any] {
            let all = try json(rig.succeed("status", "--json"))["Stores"] as? [[String: Any]]
            return try #require(all?.first { $0["Store"] as? String == rig.store })
        }

        @Test func oneScreenShowsAllOfIt() throws {
            let rig = try Rig()
            #expect(try store(rig)["Service"] as? String == "unmounted")
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            try rig.request("CreateDisk DiskName=other Size=16MiB")
            let loop = try rig.succeed("disk", "attach", "data", "--loop")
            let found = try store(rig)
            #expect(found["Service"] as? String == "served")
            #expect(found["MountPoint"] as? String == rig.mountPoint)
            #expect(found["Process"] as? Int == Int(try rig.daemon()))
            #expect((found["Disks"] as? [Any])?.count == 2)
            let text = try rig.succeed("status")
            for part in [
                "STORE \(rig.store)", "mounted at  \(rig.mountPoint)", "2, 1 attached", loop,
                "keystore \(rig.keystore), opens with the key file \(rig.keyFile)",
            ] {
                #expect(text.contains(part), "\(part) in \(text)")
            }
            // Not a terminal: no colours.
            #expect(!text.contains("\u{1B}"))
            #expect(!text.contains("WARNINGS"), "\(text)")
        }

        @Test func aDeadMountIsToldAndMended() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            let loop = try rig.succeed("disk", "attach", "data", "--loop")
            try rig.killDaemon()
            #expect(try store(rig)["Service"] as? String == "dead")
            #expect(try rig.succeed("status").contains("mount --recover"))
            let told = try rig.sealdisk("doctor")
            #expect(told.status == 8 && told.output.contains("is dead"), "\(told)")
            #expect(try Command.run("findmnt", [rig.mountPoint]).status == 0)

            let mended = try rig.sealdisk("doctor", "--mend")
            #expect(mended.output.contains("mended"), "\(mended)")
            #expect(mended.output.contains("disk data was \(loop)"), "\(mended)")
            #expect(try Command.run("findmnt", [rig.mountPoint]).status != 0)
            #expect(rig.loops().isEmpty)
            #expect(try store(rig)["Service"] as? String == "unmounted")
        }

        @Test func theDoctorSaysWhatItLookedAt() throws {
            let rig = try Rig()
            try rig.mount()
            let outcome = try rig.sealdisk("doctor", "--json")
            let findings = try #require(
                try json(outcome.output)["Findings"] as? [[String: String]])
            let checks = findings.map { $0["Check"] ?? "" }
            for check in ["/dev/fuse", "loop devices", "clock", "store \(rig.store)", "keys"] {
                #expect(checks.contains(check), "\(check) in \(checks)")
            }
            let own = findings.first { $0["Check"] == "store \(rig.store)" }
            #expect(own?["State"] == "ok", "\(own ?? [:])")
            // What is not ok says what to do.
            for finding in findings where ["warning", "failed"].contains(finding["State"] ?? "") {
                #expect(finding["Remedy"] != "", "\(finding)")
            }
            // Without what opens the keys it says so.
            try FileManager.default.removeItem(atPath: rig.keyFile)
            let without = try rig.sealdisk("doctor")
            #expect(without.output.contains("key file"), "\(without)")
        }

        @Test func aJobIsSeenFromAnotherTerminal() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            try Command.succeed(
                "dd", "if=/dev/urandom", "of=\(rig.file("data"))", "bs=1M", "count=32",
                "conv=notrunc")
            // What a disk has as of its last checkpoint is verified; of a snapshot all.
            try rig.request("CreateSnapshot DiskId=data SnapshotName=s")
            let scrub = try Command.start(
                Rig.program, ["scrub", "s", "--rate", "4M", "--progress", "json"],
                environment: rig.environment)
            defer { scrub.process.waitUntilExit() }
            var jobs: [[String: Any]] = []
            for _ in 0..<100 where jobs.isEmpty {
                usleep(50_000)
                let all = try json(rig.succeed("jobs", "--json"))["Jobs"] as? [[String: Any]]
                jobs = (all ?? []).filter {
                    $0["Process"] as? Int == Int(scrub.process.processIdentifier)
                }
            }
            #expect(jobs.first?["Job"] as? String == "Verifying s")
            #expect(try rig.succeed("jobs").contains("Verifying s"))
            kill(scrub.process.processIdentifier, SIGINT)
            scrub.process.waitUntilExit()
            let process = Int(scrub.process.processIdentifier)
            let after = try json(rig.succeed("jobs", "--json"))["Jobs"] as? [[String: Any]]
            #expect(after?.contains { $0["Process"] as? Int == process } == false)
        }
    }
}
