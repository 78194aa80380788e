import ArgumentParser
import ControlPlane
import Glibc

/// The command tree.
@main
struct SealDisk: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "sealdisk",
        abstract: "Encrypted virtual disks as plaintext files.",
        discussion: """
            A store is a folder of sealed chunk files. Mounted, each of its disks is a file: give \
            it a loop device, a file system, a virtual machine. The key is in memory only while \
            the disk is attached.

            EXAMPLE:
              sealdisk init ~/store
              sealdisk kms activate --key-file ~/sealdisk.key
              sealdisk mount ~/store /mnt/sealdisk
              sealdisk disk create data --size 20G --encrypted
              mkfs.ext4 $(sealdisk disk attach data --loop)
              sealdisk snapshot create data --name monday
              sealdisk disk detach data
              sealdisk unmount /mnt/sealdisk

            \(ExitCodes.text)
            """,
        version: version,
        subcommands: [
            InitCommand.self, MountCommand.self, UnmountCommand.self, DiskCommand.self,
            SnapshotCommand.self, InstanceCommand.self, ImageCommand.self, PolicyCommand.self,
            CopyCommand.self, ScrubCommand.self, CheckCommand.self, JobsCommand.self,
            StatusCommand.self, DoctorCommand.self, TraceCommand.self, KMSCommand.self,
            APICommand.self,
            ErrandCommand.self, LoopNameCommand.self, FreezeCommand.self,
            ManualCommand.self,
        ])

    /// Parses, runs, and ends the process with the exit code that `--help` documents.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
            try finishOutput()
        } catch let failure as Failure {
            Terminal.complain(failure.description)
            Glibc.exit(failure.exitCode)
        } catch {
            end(with: error)
        }
    }

    /// What was printed is an outcome, too: a full disk behind it is a failure.
    private static func finishOutput() throws(Failure) {
        guard fflush(nil) != 0 else { return }
        let reason = String(cString: strerror(errno))
        throw Failure(
            .failed, "The output could not be written: \(reason).",
            advice: "What was asked for is done; only its output is lost.")
    }

    /// The command that a misspelt one is nearest to, `sealdisk disk list`; nil if all that were
    /// given exist, or nothing is near.
    static func meantCommand(_ arguments: [String]) -> String? {
        var commands = configuration.subcommands
        var path = "sealdisk"
        for word in arguments {
            guard !commands.isEmpty, !word.hasPrefix("-") else { return nil }
            let shown = commands.filter { $0.configuration.shouldDisplay }
            let found = commands.first {
                $0._commandName == word || $0.configuration.aliases.contains(word)
            }
            guard let found else {
                return Suggestion.nearest(to: word, among: shown.map { $0._commandName })
                    .map { "\(path) \($0)" }
            }
            path += " \(word)"
            commands = found.configuration.subcommands
        }
        return nil
    }

    /// `--help` and `--version` come as errors, too; the rest are command lines that the parser
    /// does not understand, and what nobody foresaw.
    private static func end(with error: any Error) -> Never {
        let code = exitCode(for: error)
        if code == .success || code == .validationFailure {
            let text = fullMessage(for: error)
            guard code != .success else {
                print(text)
                Glibc.exit(0)
            }
            let prefix = "Error: "
            let message = text.hasPrefix(prefix) ? text.dropFirst(prefix.count) : text[...]
            let meant = meantCommand(Array(CommandLine.arguments.dropFirst()))
            Terminal.complain(
                "sealdisk: \(message)\n" + (meant.map { "Did you mean '\($0)'?\n" } ?? ""))
            Glibc.exit(code.rawValue)
        }
        let failure = Failure(unforeseen: error)
        Terminal.complain(failure.description)
        Glibc.exit(failure.exitCode)
    }
}
