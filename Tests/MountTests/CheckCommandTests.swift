import Foundation
import Testing

extension MountSuite {
    /// `sealdisk check` on a folder, as a medium or an attacker leaves it.
    @Suite struct CheckCommandTests {
        /// A store at rest: an encrypted disk with a snapshot, and a plain one.
        private static func filled() throws -> Rig {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let bytes = (0..<2 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            try OpenedFile(rig.file("data"), O_RDWR).write(bytes, at: 1 << 20)
            try rig.succeed("snapshot", "create", "data", "--name", "monday")
            try rig.attachDisk("open", encrypted: false, mebibytes: 16)
            try OpenedFile(rig.file("open"), O_RDWR).write(bytes, at: 0)
            try rig.unmount()
            return rig
        }

        private static func check(_ rig: Rig, _ store: String? = nil) throws -> Command.Outcome {
            try rig.sealdisk("check", store ?? rig.store, "--key-file", rig.keyFile)
        }

        /// Every name, kind, size, time of change and content in the folder.
        private static func fingerprint(_ folder: String) throws -> String {
            try Command.succeed(
                "sh", "-c",
                "cd '\(folder)' && find . -printf '%p %y %s %i %m %T@ %C@\\n' | sort"
                    + " && find . -type f -print0 | sort -z | xargs -0 sha256sum")
        }

        @Test func aCleanStoreIsVerifiedAndLeftAsItIs() throws {
            let rig = try Self.filled()
            let before = try Self.fingerprint(rig.store)
            let outcome = try Self.check(rig)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(
                outcome.output.hasPrefix("Verified 4 MiB of 2 disks and 1 snapshot, in "),
                "\(outcome)")
            #expect(try Self.fingerprint(rig.store) == before)

            // The same on a medium that cannot be written.
            let place = try rig.makeFolder("readonly")
            try Command.succeed("mount", "--bind", rig.store, place)
            try Command.succeed("mount", "-o", "remount,ro,bind", place)
            let readOnly = try Self.check(rig, place)
            try Command.succeed("umount", place)
            #expect(readOnly.status == 0 && readOnly.output == outcome.output, "\(readOnly)")
            // And of a copy that no process ever opened.
            let copy = rig.folder + "/copy"
            try Command.succeed("cp", "-a", rig.store, copy)
            try Command.succeed("rm", copy + "/.lock")
            #expect(try Self.check(rig, copy).status == 0)
            #expect(!FileManager.default.fileExists(atPath: copy + "/.lock"))
        }

        @Test func damageIsToldAndHealed() throws {
            let rig = try Self.filled()
            let all = try Command.succeed("find", rig.store, "-name", "*.chunk", "-size", "+600k")
            let chunk = try #require(all.split(separator: "\n").map(String.init).sorted().first)
            let copy = rig.folder + "/backup"
            try Command.succeed("cp", "-a", chunk, copy)
            let file = try OpenedFile(chunk, O_RDWR)
            let byte = try file.read(at: 512 << 10, count: 1)[0]
            try file.write([byte ^ 0x40], at: 512 << 10)
            try file.synchronize()
            let outcome = try Self.check(rig)
            #expect(outcome.status == 8, "\(outcome)")
            #expect(outcome.output.contains("damage: "), "\(outcome)")
            #expect(outcome.output.contains((chunk as NSString).lastPathComponent), "\(outcome)")
            #expect(outcome.errors.contains("1 finding of damage."), "\(outcome)")
            let json = try rig.sealdisk(
                "check", rig.store, "--key-file", rig.keyFile, "--json")
            let reply = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
            let findings = try #require((reply as? [String: Any])?["Findings"] as? [[String: Any]])
            #expect(findings.count == 1 && json.status == 8, "\(json)")
            #expect(findings.first?["Kind"] as? String == "data", "\(json)")
            #expect(findings.first?["Length"] as? Int == 4096, "\(json)")
            try Command.succeed("mv", copy, chunk)
            #expect(try Self.check(rig).status == 0)
        }

        @Test func withoutItsKeyADiskIsNotVerified() throws {
            let rig = try Self.filled()
            let elsewhere = ["SEALDISK_KEYSTORE": rig.folder + "/none"]
            let outcome = try rig.sealdisk("check", rig.store, environment: elsewhere)
            #expect(outcome.status == 10, "\(outcome)")
            #expect(
                outcome.output.contains("not verified: disk data, snapshot monday: their key"),
                "\(outcome)")
            #expect(outcome.output.contains("Verified 2 MiB of 2 disks"), "\(outcome)")
        }

        @Test func aMountedStoreIsRefused() throws {
            let rig = try Self.filled()
            try rig.mount()
            let outcome = try Self.check(rig)
            #expect(outcome.status == 5, "\(outcome)")
            #expect(outcome.errors.contains("sealdisk mount \(rig.mountPoint)"), "\(outcome)")
            #expect(outcome.errors.contains("process \(try rig.daemon())"), "\(outcome)")
            #expect(outcome.errors.contains("sealdisk scrub"), "\(outcome)")
            try rig.unmount()
        }

        @Test func whatWasPlantedIsTold() throws {
            let rig = try Self.filled()
            try Command.succeed("ln", "-s", "/etc/passwd", rig.store + "/lineages/link")
            try Command.succeed("mkfifo", rig.store + "/pipe")
            try Command.succeed("ln", rig.store + "/store.json", rig.folder + "/second")
            try Command.succeed("touch", rig.store + "/lineages/.new-1")
            let outcome = try Self.check(rig)
            #expect(outcome.status == 8, "\(outcome)")
            for text in [
                "warning: lineages/link: it is a symbolic link", "warning: pipe: it is a special",
                "warning: store.json: it has 2 names", "note: lineages/.new-1: an interrupted call",
                "3 findings of damage.",
            ] {
                #expect((outcome.output + outcome.errors).contains(text), "\(outcome)")
            }
            for path in ["/lineages/link", "/pipe", "/lineages/.new-1"] {
                try Command.succeed("rm", rig.store + path)
            }
            try Command.succeed("rm", rig.folder + "/second")
            #expect(try Self.check(rig).status == 0)
        }

        @Test func itCanBeInterrupted() throws {
            let rig = try Self.filled()
            let started = try Command.start(
                Rig.program, ["check", rig.store, "--rate", "64K", "--key-file", rig.keyFile],
                environment: rig.environment)
            sleep(1)
            kill(started.process.processIdentifier, SIGINT)
            let errors = started.errors.fileHandleForReading.readDataToEndOfFile()
            started.process.waitUntilExit()
            #expect(started.process.terminationStatus == 10)
            #expect(String(decoding: errors, as: UTF8.self).contains("Interrupted."))
        }
    }
}
