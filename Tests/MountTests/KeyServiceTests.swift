import Foundation
import Testing

extension MountSuite {
    /// Mounts whose customer master key is not in a keystore.
    @Suite struct KeyServiceTests {
        private let text = Array("not for everybody".utf8)

        /// A disk is made, written, detached, and read in another mount.
        private func roundTrip(_ rig: Rig, origin: String) throws {
            try rig.succeed("kms", "activate")
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            do {
                let file = try OpenedFile(rig.file("data"), O_RDWR)
                try file.write(text, at: 8192)
                try file.synchronize()
            }
            try rig.request("DetachDisk DiskId=data")
            let key = try rig.request("DescribeKey")["KeyMetadata"] as? [String: Any]
            #expect(key?["Origin"] as? String == origin)
            #expect(key?["KeyState"] as? String == "Enabled")
            try rig.unmount()
            try rig.mount("attach=data")
            let file = try OpenedFile(rig.file("data"), O_RDONLY)
            #expect(try file.read(at: 8192, count: text.count) == text)
        }

        @Test func aTokenHoldsTheKey() throws {
            let rig = try Rig()
            rig.moreEnvironment = try SoftToken(in: rig).environment
            try roundTrip(rig, origin: "HSM")
            try rig.unmount()
            let shown = try rig.succeed("kms", "show")
            #expect(shown.contains("pkcs11:token=disks") && !shown.contains("pin-source"))
            #expect(shown.contains(rig.folder + "/keys/key-use.log"), "\(shown)")
            #expect(try rig.succeed("kms", "log").contains("AttachDisk"))
            #expect(try rig.succeed("kms", "log", "--verify").contains("0 findings"))
            #expect(try rig.succeed("kms", "usage").contains("AttachDisk"))
            for command in [["unlocker", "list"], ["passphrase"], ["recovery-key"]] {
                let outcome = try Command.run(
                    Rig.program, ["kms"] + command, environment: rig.environment)
                #expect(outcome.status == 2, "\(outcome)")
                #expect(outcome.errors.contains("keystore's file"), "\(outcome)")
            }
        }

        @Test func aServerHoldsTheKey() throws {
            let rig = try Rig()
            let server = try KeyServer(in: rig)
            rig.moreEnvironment = ["SEALDISK_KMS": server.uri]
            try roundTrip(rig, origin: "Vault")
            try rig.request("CreateDisk DiskName=other Size=16MiB Encrypted=true")
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            server.end()
            let start = Date()
            let (error, reply) = try rig.tryRequest("AttachDisk DiskId=other")
            #expect(Date().timeIntervalSince(start) < 40)
            #expect(error == EIO && reply["Code"] as? String == "ServiceUnavailable.KeyService")
            // The disk that is attached goes on, and can be detached.
            #expect(try file.read(at: 8192, count: text.count) == text)
            try file.write(text, at: 65_536)
            try file.synchronize()
            #expect(try file.read(at: 65_536, count: text.count) == text)
            withExtendedLifetime(file) {}
        }

        @Test func aServerThatIsGoneKeepsNoDisk() throws {
            let rig = try Rig()
            let server = try KeyServer(in: rig)
            rig.moreEnvironment = ["SEALDISK_KMS": server.uri]
            try rig.succeed("kms", "activate")
            try rig.mount()
            for name in ["a", "b", "c"] { try rig.attachDisk(name, mebibytes: 16) }
            server.end()
            try rig.request("DetachDisk DiskId=a")
            try rig.unmount()
            let log = try rig.succeed("kms", "log", "--action", "DetachDisk")
            #expect(log.split(separator: "\n").count == 4, "\(log)")
        }

        @Test func aDisabledKeyFencesItsDisks() throws {
            let rig = try Rig()
            let server = try KeyServer(in: rig)
            rig.moreEnvironment = ["SEALDISK_KMS": server.uri]
            try rig.succeed("kms", "activate")
            try rig.mount("key_policy=fence", "key_check=1", "log_file=\(rig.folder)/log")
            try rig.attachDisk("data", mebibytes: 16)
            try rig.attachDisk("open", encrypted: false, mebibytes: 16)
            let (file, plain) = (
                try OpenedFile(rig.file("data"), O_RDWR), try OpenedFile(rig.file("open"), O_RDWR)
            )
            try file.write(text, at: 8192)
            let name = try server.command("list", "-format=json", "transit/keys").output
                .split(separator: "\"").first { $0.hasPrefix("disks") }
            let off = try server.command(
                "delete", "transit/keys/\(try #require(name))/soft-delete")
            try #require(off.status == 0, "\(off)")
            var isFenced = false
            for _ in 0..<100 where !isFenced {
                usleep(100_000)
                do { _ = try file.read(at: 0, count: 512) } catch { isFenced = true }
            }
            #expect(isFenced)
            expectErrno(EIO) { try file.write(text, at: 0) }
            try plain.write(text, at: 0)
            let (_, reply) = try rig.tryRequest("AttachDisk DiskId=data")
            #expect(reply["Code"] as? String == "InvalidParameter.KMSKeyId.CMKNotEnabled")
            let log = try String(contentsOfFile: rig.folder + "/log", encoding: .utf8)
            #expect(log.contains("disk 'data'") && log.contains("is disabled"), "\(log)")
        }

        @Test func aKeyIsRotatedUnderAMount() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let kept = try Command.succeed("cat", rig.keystore)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            #expect(try rig.succeed("kms", "rotate").contains("version 2"))
            let rewrap = try rig.succeed("kms", "rewrap")
            #expect(rewrap.hasPrefix("1 data keys were wrapped anew"), "\(rewrap)")
            #expect(try rig.succeed("kms", "rewrap").hasPrefix("0 data keys"))
            try rig.attachDisk("later", mebibytes: 16)
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            try file.write(text, at: 8192)
            try file.synchronize()
            let shown = try rig.succeed("kms", "show", "--dependents")
            for word in ["Version", "data", "monday", "2 disks, 1 snapshots"] {
                #expect(shown.contains(word), "\(shown)")
            }
            withExtendedLifetime(file) {}
            try rig.request("DescribeKey")
            #expect(try Command.succeed("cat", rig.keystore) != kept)
        }

        @Test func theKeyThatWasRotatedOpensLater() throws {
            let rig = try Rig()
            try rig.succeed("disk", "create", "data", "--size", "16M", "--encrypted")
            try rig.succeed("kms", "rotate")
            try rig.succeed("kms", "rewrap")
            try rig.mount("attach=data")
            try rig.unmount()
            let deleted = try rig.succeed("disk", "delete", "data")
            #expect(deleted.contains("data key") && deleted.contains("backups"), "\(deleted)")
            #expect(try rig.succeed("kms", "log").contains("RotateKey"))
            #expect(try rig.succeed("kms", "log", "--verify").contains("0 findings"))
        }

        @Test func aKeyServiceAndAKeystoreExcludeEachOther() throws {
            let rig = try Rig()
            let uri = "pkcs11:token=t?module-path=\(rig.mountPoint)/module.so"
            for options in [
                ["--kms", uri, "--keystore", rig.keystore],
                ["--kms", uri, "--key-file", rig.keyFile],
                ["-o", "kms=\(uri),keystore=\(rig.keystore)"],
            ] {
                let outcome = try Command.run(
                    Rig.program, ["mount", rig.store, rig.mountPoint] + options,
                    environment: rig.environment)
                #expect(outcome.status == 2, "\(outcome)")
                #expect(outcome.errors.contains("and not both"), "\(outcome)")
            }
            let below = try rig.sealdisk("mount", rig.store, rig.mountPoint, "-o", "kms=\(uri)")
            #expect(below.status == 2 && below.errors.contains("PKCS #11 module"), "\(below)")
            let bad = try rig.sealdisk("mount", rig.store, rig.mountPoint, "--kms", "file:x")
            #expect(bad.status == 2 && bad.errors.contains("pkcs11:"), "\(bad)")
        }
    }
}
