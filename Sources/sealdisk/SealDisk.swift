import ArgumentParser
import ControlPlane
// `stdout` is a variable there, which nobody changes.
@preconcurrency import Glibc

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

            FIRST STEPS, as root (/mnt/seal is an empty folder; --help of each command says more):
              sealdisk init /srv/store
              sealdisk kms activate --key-file /root/sealdisk.key
              sealdisk mount /srv/store /mnt/seal
              sealdisk disk create data --size 20G --encrypted
              sealdisk disk attach data --loop --mkfs ext4 --at /data
              sealdisk status
              sealdisk snapshot create data --name monday --freeze
              sealdisk disk detach data
              sealdisk unmount /mnt/seal

            The next time `sealdisk mount` and `sealdisk disk attach data --loop --at /data` are \
            enough. Losing the key file loses every encrypted disk: keep a copy apart.

            --json prints one value of JSON on standard output, also of what is refused.
            Environment: SEALDISK_STORE, SEALDISK_MOUNT, SEALDISK_KEYSTORE, SEALDISK_KMS, \
            SEALDISK_ANCHOR, SEALDISK_JOURNAL, NO_COLOR; CommandLine.md says more.

            \(ExitCodes.text)
            """,
        version: version,
        subcommands: [
            ErrandCommand.self, LoopNameCommand.self, FreezeCommand.self, ManualCommand.self,
        ],
        groupedSubcommands: [
            CommandGroup(
                name: "Store",
                subcommands: [
                    InitCommand.self, MountCommand.self, UnmountCommand.self, StoreCommand.self,
                ]),
            CommandGroup(
                name: "Disk",
                subcommands: [
                    DiskCommand.self, SnapshotCommand.self, CopyCommand.self, PolicyCommand.self,
                    InstanceCommand.self, ImageCommand.self,
                ]),
            CommandGroup(name: "Key", subcommands: [KMSCommand.self]),
            CommandGroup(
                name: "Health",
                subcommands: [
                    StatusCommand.self, JobsCommand.self, DoctorCommand.self, ScrubCommand.self,
                    CheckCommand.self, TraceCommand.self,
                ]),
            CommandGroup(name: "Other", subcommands: [APICommand.self]),
        ])

    /// Parses, runs, and ends the process with the exit code that `--help` documents.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
            try finishOutput()
        } catch let failure as Failure {
            end(failure)
        } catch {
            end(with: error)
        }
    }

    /// The words to people, and to whoever asked for JSON its one value.
    private static func end(_ failure: Failure, text: String? = nil) -> Never {
        Terminal.complain(text ?? failure.description)
        JSONOutput.show(failure, toWhoAsked: Array(CommandLine.arguments.dropFirst()))
        Glibc.exit(failure.exitCode)
    }

    /// What was printed is an outcome, too: a full disk behind it is a failure.
    private static func finishOutput() throws(Failure) {
        let isFlushed = fflush(nil) == 0
        let reason = isFlushed ? "" : ": \(String(cString: strerror(errno)))"
        // A line that went out by itself has failed before.
        guard !isFlushed || ferror(stdout) != 0 else { return }
        throw Failure(
            .failed, "The output could not be written\(reason).",
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
            endNotUnderstood(text)
        }
        end(Failure(unforeseen: error))
    }

    /// `text` is what the parser says: a line or more of its own, then how the command is used.
    private static func endNotUnderstood(_ text: String) -> Never {
        let prefix = "Error: "
        var message = String(text.hasPrefix(prefix) ? text.dropFirst(prefix.count) : text[...])
        var usage = ""
        if let start = message.firstRange(of: "\nUsage: ")?.lowerBound {
            usage = String(message[start...])
            message = String(message[..<start])
        }
        let arguments = Array(CommandLine.arguments.dropFirst())
        // An option that does not exist is told before all that may follow from it.
        let wrong = unknownOption(arguments)
        if let wrong, !message.hasPrefix("Unknown option") {
            message = "Unknown option '\(wrong.given)'."
            if let meant = wrong.meant { message += " Did you mean '\(meant)'?" }
        }
        let meant = meantCommand(arguments).map { "Did you mean '\($0)'?\n" } ?? ""
        end(
            Failure(
                notUnderstood: message,
                advice: meant.isEmpty ? "See --help of the command." : String(meant.dropLast())),
            text: "sealdisk: \(message)\(usage)\n\(meant)")
    }
}
