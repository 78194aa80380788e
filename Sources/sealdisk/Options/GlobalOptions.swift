import ArgumentParser
import Glibc
import KeyManagement

/// What every command understands: which store or mount, which keys, and how to answer.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The store's folder. Default: $SEALDISK_STORE, else the one that is mounted.",
            valueName: "path"))
    var store: String?

    @Option(help: ArgumentHelp("The mount point, if several stores are mounted.", valueName: "dir"))
    var mount: String?

    @OptionGroup var keys: KeyOptions

    @Flag(help: "Print the reply as JSON.")
    var json = false

    /// The store that is meant, if it is said at all. A mount named on the command line outweighs
    /// the environment.
    var storePath: String? {
        store ?? (mount == nil ? environmentVariable("SEALDISK_STORE") : nil)
    }
}

/// Where the keys are, and what opens them. Passphrases themselves are never arguments: those are
/// shown to every user of the host.
struct KeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The keystore's file. Default: $SEALDISK_KEYSTORE, else in the configuration folder.",
            valueName: "path"))
    var keystore: String?

    @Option(
        help: ArgumentHelp("Open the keystore with this key file.", valueName: "path"))
    var keyFile: String?

    @Option(
        help: ArgumentHelp(
            "Open the keystore with the first line that this shell command prints.",
            valueName: "command"))
    var passphraseCommand: String?

    @Option(
        help: ArgumentHelp(
            "Open the keystore with the recovery key in this file.", valueName: "path"))
    var recoveryKeyFile: String?

    func validate() throws {
        if [keyFile, passphraseCommand, recoveryKeyFile].count(where: { $0 != nil }) > 1 {
            throw ValidationError(
                "Give one of --key-file, --passphrase-command and --recovery-key-file.")
        }
    }

    /// A mount opens the keystore by itself: what was said here would count for nothing.
    func refuseFor(_ mount: MountedStore) throws(Failure) {
        let given = [
            ("--keystore", keystore), ("--key-file", keyFile),
            ("--passphrase-command", passphraseCommand),
            ("--recovery-key-file", recoveryKeyFile),
        ].first { $0.1 != nil }
        guard let given else { return }
        throw Failure(
            .invalid,
            "\(given.0) has no effect here: the store is mounted at \(mount.mountPoint), and its"
                + " mount opens the keystore.",
            advice: "Leave it out, or mount the store with it: sealdisk unmount"
                + " \(mount.mountPoint), then sealdisk mount \(mount.store) \(mount.mountPoint)"
                + " \(given.0) ….")
    }

    /// What was said, for the composition root.
    var keySource: KeySource {
        KeySource(
            keystore: keystore ?? environmentVariable("SEALDISK_KEYSTORE"),
            unlocker: keyFile.map { .keyFile($0) }
                ?? passphraseCommand.map { .passphraseCommand($0) }
                ?? recoveryKeyFile.map { .recoveryKeyFile($0) })
    }
}

/// The value of an environment variable that is set and not empty.
func environmentVariable(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}
