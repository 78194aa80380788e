import Foundation
import Testing

extension MountSuite {
    /// `snapshot export --from` and `snapshot import`, from one mounted store to another.
    @Suite struct ImportTests {
        /// A mounted store with a disk and two snapshots, exported: `one`, and `two` as what it has
        /// more; and a second store with the same keystore, mounted too.
        private struct Pair {
            let rig: Rig
            let other: String
            var otherMount: String { rig.folder + "/mount2" }
            var one: String { rig.folder + "/one.sealed" }
            var two: String { rig.folder + "/two.sealed" }

            init(encrypted: Bool = true, account: String = "local") throws {
                rig = try Rig()
                let bytes = try rig.mountWithSnapshot(encrypted: encrypted)
                let file = try OpenedFile(rig.file("data"), O_RDWR)
                try file.write(Array(bytes.reversed()), at: 5 << 20)
                try file.write([UInt8](repeating: 7, count: 5000), at: 9 << 20)
                try rig.succeed("snapshot", "create", "data", "--name", "two")
                try rig.succeed("snapshot", "export", "one", rig.folder + "/one.sealed")
                try rig.succeed(
                    "snapshot", "export", "two", rig.folder + "/two.sealed", "--from", "one")
                other = try rig.makeFolder("store2")
                _ = try rig.makeFolder("mount2")
                try rig.succeed("init", other, "--account", account)
                try rig.succeed("kms", "activate", "--store", other, "--key-file", rig.keyFile)
                try mountOther()
            }

            func mountOther(_ options: String...) throws {
                Guardian.add(otherMount)
                let more = options.flatMap { ["-o", $0] }
                let outcome = try Command.run(
                    Rig.program,
                    ["mount", other, otherMount, "--key-file", rig.keyFile] + more,
                    environment: rig.environment)
                guard outcome.status == 0 else {
                    throw Command.Failure(description: "\(outcome)")
                }
                let text = try Data(contentsOf: URL(fileURLWithPath: otherMount + "/status.json"))
                let status = try JSONSerialization.jsonObject(with: text) as? [String: Any]
                rig.watch(pid_t(try #require(status?["pid"] as? Int)))
            }

            func there(_ arguments: String...) throws -> Command.Outcome {
                try Command.run(
                    Rig.program, arguments,
                    environment: ["SEALDISK_KEYSTORE": rig.keystore, "SEALDISK_STORE": other])
            }

            func unmountOther() throws {
                try Command.succeed(Rig.program, "unmount", otherMount)
                Guardian.remove(otherMount)
            }
        }

        @Test(arguments: [true, false]) func snapshotsComeToAnotherStore(encrypted: Bool) throws {
            let pair = try Pair(encrypted: encrypted)
            let early = try pair.there("snapshot", "import", pair.two)
            #expect(early.status == 3 && early.errors.contains("import that one first"), "\(early)")
            let first = try pair.there("snapshot", "import", pair.one, "--name", "eins")
            #expect(first.status == 0 && first.output.contains("eins"), "\(first)")
            let taken = try pair.there("snapshot", "import", pair.two, "--name", "eins")
            #expect(taken.status == 4, "\(taken)")
            // By any program that writes, and as a stream.
            try Command.succeed(
                "sh", "-c", "cat '\(pair.two)' > '\(pair.otherMount)/import'")
            let list = try pair.there("snapshot", "list", "--json")
            #expect(list.output.components(separatedBy: "\"SnapshotId\"").count == 3, "\(list)")
            let clone = try pair.there("disk", "create", "copy", "--snapshot", "eins")
            #expect(clone.status == 0, "\(clone)")
            #expect(try pair.there("disk", "attach", "copy").status == 0)
            let mount = pair.otherMount
            try Command.succeed("cmp", pair.rig.snapshot("one"), mount + "/disks/copy")
            try Command.succeed("cmp", pair.one, mount + "/snapshots/eins.sealed")
            let again = try pair.there("snapshot", "import", pair.one)
            #expect(again.status == 4 && again.errors.contains("already"), "\(again)")
            try pair.unmountOther()
        }

        /// Its KMS has other keys.
        @Test func anotherAccountCannotHaveIt() throws {
            let pair = try Pair(account: "another")
            let outcome = try pair.there("snapshot", "import", pair.one)
            #expect(outcome.status == 6 && outcome.errors.contains("account"), "\(outcome)")
            #expect(
                try pair.there("snapshot", "list", "--json").output.contains("\"TotalCount\":0"))
            let left = try Command.succeed("find", pair.other, "-name", "*.manifest")
            #expect(left.isEmpty, "\(left)")
            try pair.unmountOther()
        }

        @Test func whatWasInterruptedGoesOn() throws {
            let pair = try Pair()
            let whole = try Data(contentsOf: URL(fileURLWithPath: pair.one))
            let cut = pair.rig.folder + "/cut.sealed"
            try whole.prefix(1_500_000).write(to: URL(fileURLWithPath: cut))
            let outcome = try pair.there("snapshot", "import", cut)
            #expect(outcome.status != 0 && outcome.errors.contains("ends after"), "\(outcome)")
            // The answer came before what was taken in was put away.
            var list = try pair.there("snapshot", "list")
            for _ in 0..<100 where list.errors.contains("is being imported") {
                usleep(100_000)
                list = try pair.there("snapshot", "list")
            }
            #expect(list.errors.contains("not finished"), "\(list)")
            // Across an end of the mount, and into a store that is not mounted.
            try pair.unmountOther()
            let rest = try Command.run(
                Rig.program,
                ["snapshot", "import", pair.one, "--name", "eins", "--key-file", pair.rig.keyFile],
                environment: ["SEALDISK_KEYSTORE": pair.rig.keystore, "SEALDISK_STORE": pair.other]
            )
            #expect(rest.status == 0, "\(rest)")
            try pair.mountOther()
            #expect(try pair.there("disk", "create", "copy", "--snapshot", "eins").status == 0)
            #expect(try pair.there("disk", "attach", "copy").status == 0)
            try Command.succeed(
                "cmp", pair.rig.snapshot("one"), pair.otherMount + "/disks/copy")
            try pair.unmountOther()
        }

        /// The daemon is killed while a snapshot comes in: nothing shows, and it goes on.
        @Test func aKilledDaemonLosesNothing() throws {
            let pair = try Pair()
            let text = try Data(
                contentsOf: URL(fileURLWithPath: pair.otherMount + "/status.json"))
            let status = try JSONSerialization.jsonObject(with: text) as? [String: Any]
            let daemon = pid_t(try #require(status?["pid"] as? Int))
            let intake = try OpenedFile(pair.otherMount + "/import", O_RDWR)
            let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: pair.one)))
            #expect(try intake.send(whole[..<1_000_000]) == 1_000_000)
            kill(daemon, SIGKILL)
            while try Command.run("cat", [pair.otherMount + "/status.json"]).status == 0 {
                usleep(1000)
            }
            #expect(throws: OpenedFile.Failure.self) {
                try intake.send(whole[1_000_000..<1_100_000])
            }
            try Command.succeed("umount", "-l", pair.otherMount)
            try pair.mountOther()
            let list = try pair.there("snapshot", "list", "--json")
            #expect(list.output.contains("\"TotalCount\":0"), "\(list)")
            let rest = try pair.there("snapshot", "import", pair.one)
            #expect(rest.status == 0, "\(rest)")
            try pair.unmountOther()
        }

        @Test func whatIsNotRightDoesNotCome() throws {
            let pair = try Pair(encrypted: false)
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: pair.one)))
            bytes[700_000] ^= 1
            let bad = pair.rig.folder + "/bad.sealed"
            try Data(bytes).write(to: URL(fileURLWithPath: bad))
            let outcome = try pair.there("snapshot", "import", bad)
            #expect(outcome.status == 8 && outcome.errors.contains("at byte"), "\(outcome)")
            let list = try pair.there("snapshot", "list", "--json").output
            let id = try #require(list.firstMatch(of: /s-[a-z0-9]{20}/)?.output)
            let discard = try pair.there("snapshot", "import", "--discard", String(id))
            #expect(discard.status == 0, "\(discard)")
            let direct = try Command.run(
                "sh", ["-c", "cat /etc/hostname /etc/passwd > '\(pair.otherMount)/import'"])
            #expect(direct.status != 0)
            try pair.unmountOther()
            try pair.mountOther("require=encrypted")
            let plain = try pair.there("snapshot", "import", pair.one)
            #expect(plain.status == 2 && plain.errors.contains("not encrypted"), "\(plain)")
            try pair.unmountOther()
            try pair.mountOther("ro")
            let readOnly = try pair.there("snapshot", "import", pair.one)
            #expect(readOnly.status != 0, "\(readOnly)")
            try pair.unmountOther()
        }
    }
}

extension OpenedFile {
    /// Writes to a stream.
    fileprivate func send(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw Failure(call: "write", errno: errno) }
        return count
    }
}
