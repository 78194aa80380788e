import ControlPlane
import Foundation
import Testing

@testable import sealdisk

/// What shells complete.
@Suite struct CompletionTests {
    private let mounts = [
        MountedStore(mountPoint: "/mnt/one", store: "/srv/one"),
        MountedStore(mountPoint: "/mnt/two", store: "/srv/two"),
        MountedStore(mountPoint: "/mnt/other", store: "/srv/other", owner: 4_000_000),
    ]

    private func meant(_ words: String, store: String? = nil) -> [String] {
        CompletedNames(words.components(separatedBy: " "), among: mounts, store: store).mountPoints
    }

    @Test func namesComeFromTheMountThatIsMeant() {
        #expect(meant("sealdisk disk attach ") == ["/mnt/one", "/mnt/two"])
        #expect(meant("sealdisk disk attach --mount /mnt/two/ ") == ["/mnt/two"])
        #expect(meant("sealdisk disk attach --mount=/mnt/one ") == ["/mnt/one"])
        #expect(meant("sealdisk disk attach --store /srv/two ") == ["/mnt/two"])
        #expect(meant("sealdisk disk attach ", store: "/srv/one") == ["/mnt/one"])
        #expect(meant("sealdisk --mount /mnt/two ", store: "/srv/one") == ["/mnt/two"])
        #expect(meant("sealdisk --store /nowhere ") == [])
        #expect(meant("sealdisk --mount") == ["/mnt/one", "/mnt/two"])
        // Another user's could keep whoever asks it waiting.
        #expect(meant("sealdisk --mount /mnt/other ") == [])
    }

    /// Each argument that takes the name of what is in a mount completes it.
    @Test func everyNameIsCompleted() throws {
        let dump = try JSON(parsing: SealDisk._dumpHelp().utf8)
        var found = 0
        func check(_ command: JSON, _ path: String) {
            let path = "\(path) \(command.text("commandName"))"
            for argument in command["arguments"]?.array ?? [] {
                let name =
                    argument["preferredName"]?["name"]?.string ?? argument.text("valueName")
                let isNew = path == " sealdisk instance create"
                guard
                    ["disk", "disks", "snapshot", "instance", "mount"].contains(name), !isNew
                else { continue }
                found += 1
                #expect(argument["completionKind"]?["custom"] != nil, "\(name) of\(path)")
            }
            for below in command["subcommands"]?.array ?? [] { check(below, path) }
        }
        check(try #require(dump["command"]), "")
        #expect(found > 60)
    }

    /// The shells themselves find nothing wrong with the scripts.
    @Test(arguments: ["bash", "zsh", "fish"]) func scriptsAreRead(shell: String) throws {
        let folder = try TemporaryFolder()
        let tests = AbsolutePath.resolve("/proc/self/exe") ?? ""
        let program = AbsolutePath.folder(of: tests) + "/sealdisk"
        let script = "\(folder.path)/script"
        let command =
            "'\(program)' --generate-completion-script \(shell) > '\(script)' && "
            + "\(shell) -n '\(script)' 2>&1 && wc -l < '\(script)'"
        let stream = try #require(popen(command, "r"))
        let output = String(decoding: HostText.bytes(of: fileno(stream)) ?? [], as: UTF8.self)
        #expect(pclose(stream) == 0, "\(output)")
        #expect(Int(output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0 > 500)
    }
}
