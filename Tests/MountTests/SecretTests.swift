import Foundation
import Testing

extension MountSuite {
    /// What may not come out of a session: its plaintext, and passphrases, right or wrong.
    @Suite struct SecretTests {
        /// Everything that a session says and writes, also of damage and of refusals, searched for
        /// what was on the disk and for what was tried as a passphrase.
        @Test func noOutputHoldsContentOrPassphrases() throws {
            let rig = try Rig()
            var random = SystemRandomNumberGenerator()
            func word() -> String { "secret" + String(random.next(), radix: 36) }
            let (content, right, wrong) = (word(), word(), word())
            var said: [String] = []

            // The passphrase comes from files beside everything that is searched.
            let beside = TemporaryPlace()
            let keystore = rig.folder + "/keys/other.json"
            func sealdisk(_ passphrase: String, _ arguments: String...) throws -> Int32 {
                try Data(passphrase.utf8).write(to: URL(fileURLWithPath: beside.path))
                let outcome = try Command.run(
                    Rig.program,
                    arguments + [
                        "--keystore", keystore, "--passphrase-command", "cat \(beside.path)",
                    ], environment: rig.environment)
                said += [outcome.output, outcome.errors]
                return outcome.status
            }
            let log = rig.folder + "/log"
            #expect(try sealdisk(right, "kms", "activate", "--store", rig.store) == 0)
            #expect(
                try sealdisk(
                    right, "disk", "create", "data", "--size", "4M", "--encrypted", "--store",
                    rig.store) == 0)
            for passphrase in [wrong, right] {
                let status = try sealdisk(
                    passphrase, "mount", rig.store, rig.mountPoint, "--log-file", log, "-o",
                    "attach=data")
                #expect((status == 0) == (passphrase == right))
            }
            rig.watch(try rig.daemon())
            try session(rig, content, &said)
            try rig.unmount()

            let names = try FileManager.default.subpathsOfDirectory(atPath: rig.folder)
            #expect(names.contains { $0.hasSuffix(".chunk") } && names.contains("log"))
            let text = said.joined(separator: "\n")
            #expect(text.contains("passphrase"))
            try Data(text.utf8).write(to: URL(fileURLWithPath: rig.folder + "/said"))
            for secret in [content, right, wrong] {
                for form in [
                    secret, Data(secret.utf8).base64EncodedString(),
                    secret.utf8.map { String($0, radix: 16) }.joined(),
                ] {
                    // 1: nothing was found.
                    let found = try Command.run("grep", ["-rlaF", "-e", form, rig.folder])
                    #expect(found.status == 1, "\(secret): \(found.output)")
                }
            }
            let marker = try Command.run("grep", ["-rlaF", "-e", "passphrase", rig.folder])
            #expect(marker.status == 0, "what is searched is there")
        }

        /// Content is written, read, found damaged, described; requests are refused.
        private func session(_ rig: Rig, _ content: String, _ said: inout [String]) throws {
            let block = Array(String(repeating: content + " ", count: 4096).utf8.prefix(4096))
            let disk = try OpenedFile(rig.file("data"), O_RDWR)
            for index in 0..<64 { try disk.write(block, at: index * 4096) }
            #expect(fsync(disk.descriptor) == 0)
            said.append("\(try rig.request("CreateSnapshot DiskId=data SnapshotName=kept"))")
            try spoilChunks(of: rig)
            var errors = 0
            // O_DIRECT, which Glibc's module leaves out.
            let reader = try OpenedFile(rig.file("data"), O_RDONLY | 0o40000)
            let buffer = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 4096)
            defer { buffer.deallocate() }
            for index in 0..<64
            where pread(reader.descriptor, buffer, 4096, off_t(index * 4096)) < 0 {
                errors += 1
            }
            #expect(errors > 0, "damage is read, and told")
            for request in [
                "DescribeDisks", "DescribeSnapshots", "DescribeStore", "DescribeKMS",
                "AttachDisk DiskId=data", "AttachDisk DiskId=nothing", "Nonsense \(content.count)",
                "CreateDisk DiskName=data Size=1", "DeleteDisk DiskId=data",
            ] {
                said.append("\(try rig.tryRequest(request).reply)")
            }
            for arguments in [["disk", "list"], ["snapshot", "list"]] {
                let outcome = try Command.run(
                    Rig.program, arguments, environment: rig.environment)
                said += [outcome.output, outcome.errors]
            }
            let names = try FileManager.default.subpathsOfDirectory(atPath: rig.mountPoint)
            for name in names where name.hasSuffix(".json") {
                said.append(
                    try String(contentsOfFile: rig.mountPoint + "/" + name, encoding: .utf8))
            }
            #expect(said.contains { $0.contains("hardening") })
        }

        /// A byte in every eighth body of every chunk.
        private func spoilChunks(of rig: Rig) throws {
            let names = try FileManager.default.subpathsOfDirectory(atPath: rig.store)
            for name in names where name.hasSuffix(".chunk") {
                let file = try OpenedFile(rig.store + "/" + name, O_RDWR)
                for place in stride(from: 12_288 + 100, to: 64 * 4096, by: 8 * 4096) {
                    let byte = try file.read(at: place, count: 1).first ?? 0
                    try file.write([byte ^ 1], at: place)
                }
            }
        }

        /// A file for a moment, outside of the rig's folder.
        private final class TemporaryPlace {
            let path = "/tmp/secret-\(UUID().uuidString)"
            deinit { unlink(path) }
        }

        /// No core dump holds the daemon's memory, and nobody but root may look into it: what it
        /// says of that is so.
        @Test func theDaemonLeavesNoCore() throws {
            let rig = try Rig()
            try rig.mount()
            let daemon = try rig.daemon()
            let limits = try String(contentsOfFile: "/proc/\(daemon)/limits", encoding: .utf8)
            let core = try #require(
                limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
            #expect(core.split(separator: " ").filter { $0 == "0" }.count == 2, "\(core)")
            let status = try String(
                contentsOfFile: rig.mountPoint + "/status.json", encoding: .utf8)
            for measure in ["nonDumpable", "noCoreDumps"] {
                #expect(status.contains("\"\(measure)\" : \"ok\""), "\(status)")
            }
            try rig.unmount()
        }
    }
}
