import Foundation
import Testing

extension MountSuite {
    /// The freshness anchor through the real mount: a store folder that was put back is refused.
    @Suite struct AnchorMountTests {
        @Test func aStoreFolderThatWasPutBackIsRefusedUntilThatIsAccepted() throws {
            let rig = try Rig()
            try rig.mount()
            #expect(try freshness(rig) == "anchored")
            try rig.attachDisk("data", mebibytes: 4)
            try write("old", to: rig.file("data"))
            try rig.request("DetachDisk DiskId=data")
            try rig.unmount()
            let copy = rig.folder + "/copy"
            try run("cp", "-a", rig.store, copy)

            try rig.mount("attach=data")
            try write("new", to: rig.file("data"))
            try rig.unmount()
            try run("rm", "-r", rig.store)
            try run("cp", "-a", copy, rig.store)

            // A mount that is to attach it does not come to be.
            let outcome = try Command.run(
                Rig.program, ["mount", rig.store, rig.mountPoint, "-o", "attach=data"],
                environment: rig.environment)
            #expect(outcome.status == 8 && outcome.errors.contains("put back"), "\(outcome)")

            try rig.mount()
            let refused = try rig.sealdisk("disk", "attach", "data")
            #expect(refused.status == 8, "\(refused)")
            for words in ["was put back to an earlier state", rig.folder, "--accept-rollback"] {
                #expect(refused.errors.contains(words), "\(words): \(refused)")
            }
            let (error, reply) = try rig.tryRequest("AttachDisk DiskId=data")
            #expect(error == EIO && reply["Code"] as? String == "IncorrectStore.RolledBack")

            try rig.succeed("disk", "attach", "data", "--accept-rollback")
            #expect(try read(3, of: rig.file("data")) == "old")
            let log = try String(
                contentsOfFile: rig.folder + "/keys/key-use.log", encoding: .utf8)
            let entries = log.split(separator: "\n").filter { $0.contains("AcceptRollback") }
            #expect(!entries.isEmpty && entries.allSatisfy { $0.contains("\"Note\"") }, "\(log)")
            try rig.unmount()
            // From here on it is as any other.
            try rig.mount("attach=data")
            try rig.unmount()
        }

        @Test func theStatusSaysWhatTheMountWasTold() throws {
            let rig = try Rig()
            let file = rig.folder + "/own.json"
            for (options, word) in [
                ("anchor=none", "unanchored"), ("anchor=strict", "strict"),
                ("anchor=\(file)", "anchored"), ("anchor=\(file),anchor_strict", "strict"),
            ] {
                try rig.mount(options)
                #expect(try freshness(rig) == word, "\(options)")
                try rig.unmount()
            }
            for (options, words) in [
                ("anchor=none,anchor_strict", "exclude each other"),
                ("anchor=\(rig.store)/a.json", "lies in the store"),
                ("anchor=\(rig.mountPoint)/a.json", "lies under the mount point"),
            ] {
                let outcome = try Command.run(
                    Rig.program, ["mount", rig.store, rig.mountPoint, "-o", options],
                    environment: rig.environment)
                #expect(outcome.status == 2 && outcome.errors.contains(words), "\(outcome)")
            }
        }

        /// The thread of the mount, without a clean end: what was flushed a moment ago is known.
        @Test func aKilledMountLeavesWhatItFlushedInTheAnchor() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 4)
            try write("old", to: rig.file("data"))
            usleep(2_500_000)
            let copy = rig.folder + "/copy"
            try run("cp", "-a", rig.store, copy)
            try write("new", to: rig.file("data"))
            usleep(2_500_000)
            try rig.killDaemon()
            try run("umount", "-l", rig.mountPoint)
            try run("rm", "-r", rig.store)
            try run("cp", "-a", copy, rig.store)
            try rig.mount()
            let refused = try rig.sealdisk("disk", "attach", "data")
            #expect(refused.status == 8 && refused.errors.contains("put back"), "\(refused)")
            try rig.unmount()
        }

        @Test func aDamagedAnchorFileIsSaidWithTheWayOut() throws {
            let rig = try Rig()
            let file = rig.folder + "/own.json"
            try rig.mount("anchor=\(file)")
            try rig.attachDisk("data", mebibytes: 4)
            try rig.unmount()
            try Data("nonsense".utf8).write(to: URL(fileURLWithPath: file))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
            let outcome = try Command.run(
                Rig.program, ["mount", rig.store, rig.mountPoint, "-o", "anchor=\(file)"],
                environment: rig.environment)
            #expect(outcome.status == 8 && outcome.errors.contains(file), "\(outcome)")
            #expect(outcome.errors.contains("remove the anchor"), "\(outcome)")
            // Nobody else may be able to write it.
            try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: file)
            let open = try Command.run(
                Rig.program, ["mount", rig.store, rig.mountPoint, "-o", "anchor=\(file)"],
                environment: rig.environment)
            #expect(open.status == 9 && open.errors.contains("open to other users"), "\(open)")
            try FileManager.default.removeItem(atPath: file)
            try rig.mount("anchor=\(file)", "attach=data")
            try rig.unmount()
        }

        // MARK: Parts

        private func freshness(_ rig: Rig) throws -> String? {
            let text = try Data(contentsOf: URL(fileURLWithPath: rig.mountPoint + "/status.json"))
            let status = try JSONSerialization.jsonObject(with: text) as? [String: Any]
            return status?["freshness"] as? String
        }

        private func run(_ arguments: String...) throws {
            let outcome = try Command.run(arguments[0], Array(arguments.dropFirst()))
            guard outcome.status == 0 else { throw Command.Failure(description: "\(outcome)") }
        }

        private func write(_ text: String, to path: String) throws {
            let file = try OpenedFile(path, O_RDWR)
            let bytes = Array(text.utf8)
            try #require(pwrite(file.descriptor, bytes, bytes.count, 0) == bytes.count)
            try #require(fsync(file.descriptor) == 0)
        }

        private func read(_ count: Int, of path: String) throws -> String {
            let file = try OpenedFile(path, O_RDONLY)
            var bytes = [UInt8](repeating: 0, count: count)
            try #require(pread(file.descriptor, &bytes, count, 0) == count)
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
