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

        @Test(.enabled(if: KeyServer.binary != nil)) func aServerHoldsTheKey() throws {
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

        @Test(.enabled(if: KeyServer.binary != nil)) func aServerThatIsGoneKeepsNoDisk() throws {
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
