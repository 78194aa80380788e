import Foundation
import Testing

extension MountSuite {
    /// Images that leave their store: plain ones do, encrypted ones do not.
    @Suite struct ImageMountTests {
        private func makeImage(_ rig: Rig, encrypted: Bool) throws -> [UInt8] {
            try rig.mount()
            try rig.attachDisk("data", encrypted: encrypted, mebibytes: 8)
            let bytes = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 / 4096 &* 31 + 1) }
            try OpenedFile(rig.file("data"), O_RDWR).write(bytes, at: 2 << 20)
            try rig.succeed("snapshot", "create", "data", "--name", "monday")
            try rig.succeed("image", "create", "gold", "--snapshot", "monday")
            return bytes
        }

        @Test(arguments: ["raw", "qcow2"]) func anExportHoldsTheSnapshot(format: String) throws {
            let rig = try Rig()
            let bytes = try makeImage(rig, encrypted: false)
            let folder = try rig.makeFolder("exports")
            let path = try rig.succeed("image", "export", "gold", folder, "--format", format)
            #expect(path == "\(folder)/gold.\(format)")
            let raw = folder + "/compared"
            try Command.succeed("qemu-img", "convert", "-f", format, "-O", "raw", path, raw)
            let content = [UInt8](try Data(contentsOf: URL(fileURLWithPath: raw)))
            #expect(content.count == 8 << 20)
            #expect(Array(content[(2 << 20)..<(3 << 20)]) == bytes)
            #expect(content[..<(2 << 20)].allSatisfy { $0 == 0 })
            // It is thin, as the disk is.
            let stored = try Command.succeed("du", "-k", path).split(separator: "\t")[0]
            #expect(try #require(Int(stored)) < 2048)
            let again = try rig.sealdisk("image", "export", "gold", folder, "--format", format)
            #expect(again.status == 4, "\(again)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 2)
            try rig.unmount()
        }

        @Test func aCopyIsAnImageOfTheOtherStore() throws {
            let (rig, other) = (try Rig(), try Rig())
            let bytes = try makeImage(rig, encrypted: false)
            try other.mount()
            try rig.succeed("image", "copy", "gold", other.mountPoint, "--mount", rig.mountPoint)
            try other.request("CreateInstance InstanceName=web ImageId=gold")
            let file = other.mountPoint + "/instances/web/vdb"
            #expect(
                try OpenedFile(file, O_RDONLY).read(at: 2 << 20, count: bytes.count) == bytes)
            try rig.unmount()
            try other.unmount()
        }

        @Test func anEncryptedOneStays() throws {
            let rig = try Rig()
            _ = try makeImage(rig, encrypted: true)
            let folder = try rig.makeFolder("exports")
            for command in [["export", "gold", folder], ["copy", "gold", folder]] {
                let outcome = try Command.run(
                    Rig.program, ["image"] + command, environment: rig.environment)
                #expect(outcome.status != 0 && !outcome.errors.isEmpty, "\(outcome)")
            }
            let refused = try rig.sealdisk("image", "export", "gold", folder)
            #expect(refused.status == 9 && refused.errors.contains("encrypted"), "\(refused)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            try rig.unmount()
        }
    }
}
