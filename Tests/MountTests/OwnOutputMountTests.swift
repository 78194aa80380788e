import Foundation
import Testing

/// What commands that need a mount print with `--json`, where it is no reply of the API: one value,
/// each member of which CommandLine.md describes below the command's heading.
extension MountSuite {
    @Suite struct OwnOutputMountTests {
        private static let page: String = {
            let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
                .deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            let file = "Sources/sealdisk/Documentation.docc/CommandLine.md"
            return (try? String(contentsOf: root.appendingPathComponent(file), encoding: .utf8))
                ?? ""
        }()

        @Test func everyMemberIsDocumented() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.succeed("disk", "create", "data", "--size", "64M", "--plain")
            try check(
                rig, "disk attach", "data", "--loop", "--mkfs", "ext4", "--at", "\(rig.folder)/d")
            for name in ["a", "b"] {
                try name.write(toFile: "\(rig.folder)/d/\(name)", atomically: true, encoding: .utf8)
                try rig.succeed("snapshot", "create", "data", "--name", name, "--freeze")
            }
            try check(rig, "snapshot diff", "a", "b")
            try check(rig, "snapshot attach", "a", "--at", "\(rig.folder)/a")
            try check(rig, "snapshot detach", "a")
            try check(rig, "snapshot export", "a", "\(rig.folder)/a.sealed")
            try check(rig, "snapshot verify", "\(rig.folder)/a.sealed")
            try check(rig, "scrub")
            try check(rig, "status")
            try rig.succeed("image", "create", "gold", "--snapshot", "a")
            try check(rig, "image export", "gold", rig.folder)
            try check(rig, "copy", "data", try rig.makeFolder("copy"))
            // What is refused is one value, too, and standard output of an export is nothing else.
            let refused = try rig.sealdisk("snapshot", "attach", "c", "--json")
            #expect(refused.status == 3)
            #expect(try object(refused.output)["Code"] as? String == "InvalidSnapshotId.NotFound")
            let export = try rig.sealdisk("snapshot", "export", "c", "-", "--json")
            #expect(export.status == 3)
            try rig.succeed("disk", "detach", "data")
            try rig.unmount()
        }

        /// Variables that contradict each other are told; the command line outweighs them.
        @Test func theEnvironmentNamesTheMount() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.succeed("disk", "create", "data", "--size", "64M", "--plain")
            let other = try rig.makeFolder("other")
            try rig.succeed("init", other)
            // An empty variable is none.
            var environment = ["SEALDISK_MOUNT": rig.mountPoint, "SEALDISK_STORE": ""]
            let listed = try rig.sealdisk("disk", "list", "-q", environment: environment)
            #expect(listed.output == "data\n", "\(listed)")
            let outweighed = try rig.sealdisk(
                "disk", "list", "-q", "--store", other, environment: environment)
            #expect(outweighed.status == 0 && outweighed.output == "", "\(outweighed)")
            environment["SEALDISK_STORE"] = other
            let conflict = try rig.sealdisk("disk", "list", environment: environment)
            #expect(conflict.status == 2, "\(conflict)")
            for text in ["SEALDISK_MOUNT is \(rig.mountPoint)", "SEALDISK_STORE is \(other)"] {
                #expect(conflict.errors.contains(text), "\(conflict)")
            }
            try rig.unmount()
        }

        private func object(_ text: String) throws -> [String: Any] {
            let value = try JSONSerialization.jsonObject(with: Data(text.utf8))
            return try #require(value as? [String: Any])
        }

        private func check(_ rig: Rig, _ command: String, _ arguments: String...) throws {
            let words = command.split(separator: " ").map(String.init)
            let outcome = try Command.run(
                Rig.program, words + arguments + ["--json"], environment: rig.environment)
            #expect(outcome.status == 0, "\(outcome)")
            let section = Self.page.components(separatedBy: "\n### ")
                .first { $0.prefix { $0 != "\n" }.contains("`\(command)`") }
            let text = try #require(section, "\(command)")
            for name in Self.members(of: try object(outcome.output)) {
                #expect(text.contains("`\(name)`"), "\(command) prints \(name), undocumented")
            }
        }

        /// Names of members at any depth, but of what the API's own document describes.
        private static func members(of value: Any) -> Set<String> {
            if let list = value as? [Any] {
                return list.reduce(into: []) { $0.formUnion(members(of: $1)) }
            }
            guard let object = value as? [String: Any] else { return [] }
            return object.reduce(into: Set(object.keys)) { names, member in
                guard !["Disks", "Finding"].contains(member.key) else { return }
                names.formUnion(members(of: member.value))
            }
        }
    }
}
