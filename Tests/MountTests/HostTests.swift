import Foundation
import Testing

extension MountSuite {
    /// What `Mount/` puts in place on a host. What changes a host runs in a box (`Tests/box`): on a
    /// root of its own that is gone afterwards.
    @Suite struct HostTests {
        private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path

        /// Builds and installs it, works with it by units' check, fstab, helper and udev rule, and
        /// purges it.
        @Test func aPackageComesAndLeavesNothingButData() throws {
            try Command.succeed(
                "timeout", "-k", "5", "200", root + "/Tests/box", root + "/Tests/Host/package",
                Rig.program)
        }

        /// A real systemd runs the unit: ready, told of growth, ended after what stands on it,
        /// started anew after its death.
        @Test func theUnitServes() throws {
            try Command.succeed(
                "timeout", "-k", "5", "200", root + "/Tests/Host/service", Rig.program)
        }

        @Test(arguments: ["/usr/local", "/opt/seal"]) func whatIsInstalledGoes(
            prefix: String
        ) throws {
            let folder = try Command.succeed("mktemp", "-d")
            defer { _ = try? Command.run("rm", ["-r", folder]) }
            let place = ["--prefix", prefix, "--destdir", folder]
            func run(_ script: String, _ more: [String]) throws -> Command.Outcome {
                try Command.run(root + "/Mount/" + script, place + more)
            }
            let install = try run("install", ["--binary", Rig.program])
            #expect(install.status == 0, "\(install)")
            let program = "\(folder)\(prefix)/bin/sealdisk"
            #expect(try Command.succeed(program, "--version") != "")
            let units =
                prefix == "/usr/local" ? "/usr/local/lib/systemd/system" : "/etc/systemd/system"
            let unit = try String(
                contentsOfFile: "\(folder)\(units)/sealdisk@.service", encoding: .utf8)
            #expect(unit.contains("ExecStart=\(prefix)/bin/sealdisk mount"))
            let list = try String(
                contentsOfFile: "\(folder)\(prefix)/share/sealdisk/installed", encoding: .utf8)
            #expect(list.contains("/bin/sealdisk\n") && list.contains("60-sealdisk.rules\n"))
            #expect(list.contains("\(prefix)/share/man/man1/sealdisk-disk-attach.1\n"))
            #expect(list.contains("\(prefix)/share/man/man8/mount.sealdisk.8\n"))
            // A second time, over the first; and what somebody else put there stays.
            #expect(try run("install", ["--binary", Rig.program]).status == 0)
            try Command.succeed("touch", "\(folder)\(prefix)/bin/other")
            #expect(try run("uninstall", []).status == 0)
            #expect(
                try Command.succeed("find", folder, "!", "-type", "d")
                    == "\(folder)\(prefix)/bin/other")
            let again = try run("uninstall", [])
            #expect(again.status == 1 && again.errors.contains("nothing is installed"), "\(again)")
        }

        /// As nobody, through fusermount3: without loop devices, with everything else.
        @Test func aUserWithoutPrivilegesHasDisksToo() throws {
            let folder = try Command.succeed("mktemp", "-d", "/tmp/sealdisk-user.XXXXXX")
            defer {
                _ = try? Command.run("umount", ["-l", folder + "/mount"])
                _ = try? Command.run("rm", ["-r", folder])
            }
            // Where everybody may run it, whoever may enter the place it was built in.
            try Command.succeed("cp", Rig.program, folder + "/sealdisk")
            try Command.succeed("chown", "nobody:nogroup", folder)
            let script = """
                cd '\(folder)'; export HOME='\(folder)'; unset SEALDISK_ANCHOR SEALDISK_STORE
                sealdisk=./sealdisk
                mkdir mount; head -c 64 /dev/urandom > key; chmod 600 key
                $sealdisk init store >&2
                $sealdisk kms activate --key-file key >&2
                $sealdisk mount store mount --key-file key
                $sealdisk disk create data --size 16MiB --encrypted >&2
                file=$($sealdisk disk attach data)
                mke2fs -q -t ext4 "$file"
                debugfs -w -R 'write key key' "$file" >&2
                debugfs -R 'cat key' "$file" 2>/dev/null | cmp - key
                exec 3< "$file"
                $sealdisk mount --takeover store mount --key-file key
                dd bs=4096 count=1 of=/dev/null status=none <&3
                exec 3<&-
                $sealdisk snapshot create data --name s >&2
                if $sealdisk disk attach data --loop 2>denied; then exit 1; fi
                grep -q 'Loop devices need root' denied
                $sealdisk disk detach data >&2
                $sealdisk unmount mount
                $sealdisk check store >&2
                id -u
                """
            let outcome = try Command.run(
                "timeout",
                [
                    "-k", "5", "60", "setpriv", "--reuid=nobody", "--regid=nogroup",
                    "--clear-groups", "--inh-caps=-all", "sh", "-euc", script,
                ])
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.output == "65534\n", "\(outcome)")
        }
    }
}
