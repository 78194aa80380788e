import Foundation
import Testing

extension MountSuite {
    /// `sealdisk scrub` on a mount, with damage as a medium makes it.
    @Suite struct ScrubTests {
        @Test func damageIsFoundToldAndHealed() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let bytes = (0..<2 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            try OpenedFile(rig.file("data"), O_RDWR).write(bytes, at: 1 << 20)
            try rig.succeed("snapshot", "create", "data", "--name", "monday")
            #expect(try rig.succeed("scrub") == "Verified 2 MiB.")

            let chunk = try #require(try Self.chunks(of: rig).first)
            // A body in its first MiB: the header and slot table of so small a chunk take less.
            let place = 512 << 10
            try Self.flip(chunk, at: place)
            let outcome = try rig.sealdisk("scrub")
            #expect(outcome.status == 8, "\(outcome)")
            #expect(outcome.output.contains("snapshot monday: bytes "), "\(outcome)")
            #expect(outcome.output.contains((chunk as NSString).lastPathComponent), "\(outcome)")
            #expect(outcome.errors.contains("1 place is damaged."), "\(outcome)")
            let json = try rig.sealdisk("scrub", "data", "--json")
            let reply = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
            let findings = try #require((reply as? [String: Any])?["Findings"] as? [[String: Any]])
            #expect(findings.count == 1, "\(json)")
            let finding = try #require(findings.first?["Finding"] as? [String: Any])
            #expect(finding["Kind"] as? String == "data" && finding["Length"] as? Int == 4096)

            try Self.flip(chunk, at: place)
            #expect(try rig.succeed("scrub", "--rate", "100M") == "Verified 2 MiB.")
            // What no checkpoint has yet is not read, and that is said.
            try OpenedFile(rig.file("data"), O_RDWR).write([1, 2, 3], at: 0)
            #expect(try rig.succeed("scrub").contains("Not read: up to 4 KiB"))
            try rig.unmount()
        }

        @Test func itSaysWhatIsWrongWithARequest() throws {
            let rig = try Rig()
            let unmounted = try rig.sealdisk("scrub")
            #expect(unmounted.status != 0 && unmounted.errors.contains("mount"), "\(unmounted)")
            try rig.mount()
            let empty = try rig.sealdisk("scrub")
            #expect(empty.status == 5 && empty.errors.contains("no disk is attached"), "\(empty)")
            let unknown = try rig.sealdisk("scrub", "nothing")
            #expect(unknown.status == 3, "\(unknown)")
            try rig.attachDisk("data", mebibytes: 16)
            let from = try rig.sealdisk("scrub", "--from", "data")
            #expect(from.status == 2 && from.errors.contains("--from"), "\(from)")
            #expect(try rig.sealdisk("scrub", "--rate", "fast").status == 2)
            try rig.unmount()
        }

        private static func chunks(of rig: Rig) throws -> [String] {
            let all = try Command.succeed("find", rig.store, "-name", "*.chunk", "-size", "+600k")
            return all.split(separator: "\n").map(String.init).sorted()
        }

        private static func flip(_ path: String, at place: Int) throws {
            let file = try OpenedFile(path, O_RDWR)
            let byte = try file.read(at: place, count: 1)[0]
            try file.write([byte ^ 0x40], at: place)
            try file.synchronize()
        }
    }
}
