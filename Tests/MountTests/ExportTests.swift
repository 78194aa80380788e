import Foundation
import Testing

extension MountSuite {
    /// `snapshot export` and `snapshot verify`.
    @Suite struct ExportTests {
        private func digest(_ file: String) throws -> String {
            String(try Command.succeed("sha256sum", file).prefix(64))
        }

        @Test(arguments: [true, false]) func whatIsExportedIsVerified(encrypted: Bool) throws {
            let rig = try Rig()
            try rig.mountWithSnapshot(encrypted: encrypted)
            let copy = rig.folder + "/one.sealed"
            let said = try rig.succeed("snapshot", "export", "one", copy)
            let digest = try digest(copy)
            #expect(said.contains(digest))
            try Command.succeed("cmp", copy, rig.snapshot("one") + ".sealed")
            #expect(!FileManager.default.fileExists(atPath: copy + ".part"))
            let keyless = try rig.succeed("snapshot", "verify", copy)
            #expect(keyless.contains(digest))
            #expect(keyless.contains(encrypted ? "not authenticated" : "by checksums"))
            let json = try rig.succeed("snapshot", "verify", copy, "--json")
            let object =
                try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
            #expect(object?["Digest"] as? String == digest)
            #expect(object?["StoredBytes"] as? Int == 3 << 20)
            let authenticated = try rig.succeed(
                "snapshot", "verify", copy, "--with-key", "--key-file", rig.keyFile)
            #expect(authenticated.contains("every byte"))
            let again = try rig.sealdisk("snapshot", "export", "one", copy)
            #expect(again.status != 0 && again.errors.contains("already"))
            // As a stream, out and in.
            let stream = try Command.run(
                "sh",
                [
                    "-c",
                    "'\(Rig.program)' snapshot export one - | '\(Rig.program)' snapshot verify -",
                ], environment: rig.environment)
            #expect(stream.status == 0 && stream.output.contains(digest), "\(stream)")
        }

        /// Cut off, and with rubbish in what is there: the result is the same.
        @Test func anInterruptedExportGoesOn() throws {
            let rig = try Rig()
            try rig.mountWithSnapshot(encrypted: true)
            let copy = rig.folder + "/one.sealed"
            try rig.succeed("snapshot", "export", "one", copy)
            let whole = try Data(contentsOf: URL(fileURLWithPath: copy))
            var part = whole.prefix(2_000_000)
            part.replaceSubrange(100_000..<100_016, with: Data(count: 16))
            let other = rig.folder + "/two.sealed"
            try part.write(to: URL(fileURLWithPath: other + ".part"))
            try rig.succeed("snapshot", "export", "one", other)
            #expect(try Data(contentsOf: URL(fileURLWithPath: other)) == whole)
        }

        @Test func damageIsFound() throws {
            let rig = try Rig()
            try rig.mountWithSnapshot(encrypted: true)
            let copy = rig.folder + "/one.sealed"
            try rig.succeed("snapshot", "export", "one", copy)
            let whole = try Data(contentsOf: URL(fileURLWithPath: copy))
            for (what, bytes) in [
                ("cut off", whole.dropLast(1)), ("longer", whole + [0]),
                ("a bit", whole.prefix(700_000) + [whole[700_000] ^ 1] + whole.dropFirst(700_001)),
                ("nothing", Data()), ("something else", Data(repeating: 7, count: 9000)),
            ] {
                try Data(bytes).write(to: URL(fileURLWithPath: copy))
                let outcome = try rig.sealdisk("snapshot", "verify", copy)
                #expect(outcome.status != 0 && outcome.errors.contains("damaged"), "\(what)")
            }
            try rig.request("DetachDisk DiskId=data")
            let away = try rig.sealdisk("snapshot", "export", "one", rig.folder + "/three")
            #expect(away.status != 0 && away.errors.contains("Attach"), "\(away)")
        }
    }
}

extension Rig {
    /// Mounts the store with a disk of some MiB, `data`, and a snapshot of it, `one`; gives the MiB
    /// that the disk holds at three places.
    @discardableResult
    func mountWithSnapshot(encrypted: Bool) throws -> [UInt8] {
        try mount()
        try attachDisk("data", encrypted: encrypted, mebibytes: 16)
        let file = try OpenedFile(file("data"), O_RDWR)
        let bytes = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
        for place in [0, 3, 9] { try file.write(bytes, at: place << 20) }
        try succeed("snapshot", "create", "data", "--name", "one")
        return bytes
    }
}
