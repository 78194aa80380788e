import Foundation
import Testing

/// What README and the pages of jobs tell the reader to type is typed here: their blocks of `sh`,
/// in order, in a mount namespace of its own, with other places for what they name.
extension MountSuite {
    @Suite struct DocumentedCommandsTests {
        private static let root = URL(fileURLWithPath: #filePath)
            .resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

        /// What a page takes for granted: README's session, up to a snapshot.
        private static let prelude = """
            sealdisk init /srv/store
            sealdisk kms activate --key-file /root/sealdisk.key
            mkdir -p /mnt/seal
            sealdisk mount /srv/store /mnt/seal --key-file /root/sealdisk.key
            sealdisk disk create data --size 20G --encrypted
            sealdisk disk attach data --loop --mkfs ext4 --at /data
            rsync -aHAX /home/ /data/
            """

        static let pages = ["BackUp", "Restore", "MoveAndCopy", "RotateKeys", "Recover"]

        @Test func theSessionByHandWorks() throws {
            let text = try String(
                contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8)
            let section = try #require(text.components(separatedBy: "## A session by hand").last)
            let block = try #require(section.components(separatedBy: "```").dropFirst().first)
            // The program is there: a folder with it is on the path.
            let commands = block.split(separator: "\n").filter { !$0.hasPrefix("Mount/install") }
            #expect(commands.count > 8)
            try run(commands.joined(separator: "\n"), after: "")
        }

        @Test(arguments: pages) func thePageOfAJobWorks(page: String) throws {
            let folder = Self.root.appendingPathComponent("Sources/sealdisk/Documentation.docc")
            let text = try String(
                contentsOf: folder.appendingPathComponent("\(page).md"), encoding: .utf8)
            let blocks = text.components(separatedBy: "```sh\n").dropFirst().compactMap {
                $0.components(separatedBy: "```").first
            }
            #expect(!blocks.isEmpty)
            // That page begins after a crash of the daemon, whose number its status has.
            let crash = """

                kill -KILL "$(sed -n 's/.*"pid" : \\([0-9]*\\).*/\\1/p' /mnt/seal/status.json)"
                while cat /mnt/seal/status.json; do sleep 0.1; done
                """
            try run(
                blocks.joined(separator: "\n"),
                after: Self.prelude + (page == "Recover" ? crash : ""))
        }

        private func run(_ commands: String, after prelude: String) throws {
            let rig = try ScriptFolder()
            let script = rig.script(prelude + "\n" + commands)
            let file = rig.path + "/script"
            try script.write(toFile: file, atomically: true, encoding: .utf8)
            let outcome = try Command.run(
                "unshare", ["--mount", "--propagation", "private", "bash", file],
                environment: rig.environment)
            #expect(outcome.status == 0, "\(outcome)")
        }
    }
}

/// A folder in place of the host's own places, which goes with all that was made in it.
private final class ScriptFolder {
    let path: String

    init() throws {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        path = base + "/script-\(UUID().uuidString.prefix(8))"
        for folder in ["bin", "srv", "mnt", "root", "home/someone", "backup", "etc"] {
            try FileManager.default.createDirectory(
                atPath: "\(path)/\(folder)", withIntermediateDirectories: true)
        }
        try FileManager.default.createSymbolicLink(
            atPath: path + "/bin/sealdisk", withDestinationPath: Rig.program)
        for (name, text) in [("letter", "dear\n"), ("notes", "remember\n")] {
            try text.write(
                toFile: "\(path)/home/someone/\(name)", atomically: true, encoding: .utf8)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var environment: [String: String] {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin:/usr/sbin:/sbin"
        return [
            "PATH": "\(self.path)/bin:\(path)", "SEALDISK_ANCHOR": "\(self.path)/anchors/",
            "SEALDISK_KEYSTORE": "\(self.path)/etc/sealdisk/keystore.json",
        ]
    }

    /// The commands with places below this folder, and small disks; whatever fails ends it, and
    /// whatever it leaves is taken down.
    func script(_ commands: String) -> String {
        var text = commands
        for place in ["/srv/", "/mnt/", "/root/", "/home", "/backup", "/etc/sealdisk", "/data"] {
            // Only where a path begins: `disks/data` is another one's end.
            text = text.replacing(
                try! Regex("(^|[\\s='\">])" + place, as: (Substring, Substring).self)  // literals
                    .anchorsMatchLineEndings()
            ) { "\($0.output.1)\(path)\(place)" }
        }
        text = text.replacing("20G", with: "64M").replacing("40G", with: "96M")
        return """
            set -euo pipefail
            # Copies of the host's mounts, which are none of this script's.
            { findmnt -rno TARGET -t fuse.sealdisk || true; } | tac | xargs -rn1 umount -l
            trap 'status=$?
                set +e
                exec >/dev/null 2>&1
                for place in $(findmnt -rno TARGET | grep "^\(path)/" | tac); do
                    [ "$(findmnt -no FSTYPE "$place")" = fuse.sealdisk ] || umount -l "$place"
                done
                losetup -a | grep "(\(path)/" | cut -d: -f1 | xargs -rn1 losetup -d
                for place in $(findmnt -rno TARGET -t fuse.sealdisk | grep "^\(path)/"); do
                    timeout -k 5 20 sealdisk unmount --force "$place"
                done
                exit "$status"' EXIT
            cd "\(path)"
            set -x
            \(text)
            """
    }
}
