import ArgumentParser
import Glibc
import KeyManagement

/// What every command understands: which store or mount, which keys, and how to answer.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The store's folder or URI. Default: $SEALDISK_STORE, else the one that is mounted.",
            valueName: "path"), completion: .directory)
    var store: String?

    @Option(help: EndpointHelp.text)
    var endpoint: String?

    @Option(
        help: ArgumentHelp(
            "The mount point, if several stores are mounted. Default: $SEALDISK_MOUNT.",
            valueName: "dir"),
        completion: .mountPoints)
    var mount: String?

    @OptionGroup var keys: KeyOptions

    @Flag(help: "Print the reply, or why there is none, as JSON; CommandLine.md says more.")
    var json = false

    /// The store that is meant, if it is said at all. A mount named on the command line outweighs
    /// the environment.
    var storePath: String? {
        store ?? (mount == nil ? environmentVariable("SEALDISK_STORE") : nil)
    }

    /// Whether a store or a mount was named at all.
    var isStoreSaid: Bool { storePath != nil || mountPath != nil }

    /// The mount that is meant, if it is said at all. A store named on the command line outweighs
    /// the environment.
    var mountPath: String? {
        if let mount { return mount }
        guard store == nil, let path = environmentVariable("SEALDISK_MOUNT") else { return nil }
        // As long as nothing is mounted there, the store that the environment names is used itself.
        guard environmentVariable("SEALDISK_STORE") == nil || MountPoint.mount(at: path) != nil
        else { return nil }
        return path
    }

    /// The same failure with what of the environment led to it: nobody sees that on the command
    /// line.
    func telling(environmentOf failure: Failure) -> Failure {
        guard mount == nil, let mountPath else { return failure }
        var variables = ["SEALDISK_MOUNT is \(mountPath)"]
        if store == nil, let storePath { variables.append("SEALDISK_STORE is \(storePath)") }
        return Failure(
            failure, message: failure.message,
            advice: failure.advice + "\nOf the environment, \(variables.joined(separator: ", ")).")
    }
}

/// Where the keys are, and what opens them. Passphrases themselves are never arguments: those are
/// shown to every user of the host.
struct KeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The keystore's file. Default: $SEALDISK_KEYSTORE, else in the configuration folder.",
            valueName: "path"), completion: .file())
    var keystore: String?

    @Option(
        help: ArgumentHelp(
            "Who holds the customer master key instead: pkcs11:… or vault+https://…, as"
                + " KeyManagement.md says. Default: $SEALDISK_KMS, else the keystore.",
            valueName: "URI"))
    var kms: String?

    @Option(
        help: ArgumentHelp("Open the keystore with this key file.", valueName: "path"),
        completion: .file())
    var keyFile: String?

    @Option(
        help: ArgumentHelp(
            "Open the keystore with the first line that this shell command prints.",
            valueName: "command"))
    var passphraseCommand: String?

    @Option(
        help: ArgumentHelp(
            "Open the keystore with the recovery key in this file.", valueName: "path"),
        completion: .file())
    var recoveryKeyFile: String?

    func validate() throws {
        if [keyFile, passphraseCommand, recoveryKeyFile].count(where: { $0 != nil }) > 1 {
            throw ValidationError(
                "Give one of --key-file, --passphrase-command and --recovery-key-file.")
        }
    }

    /// A mount has its keys by itself: what was said here would count for nothing.
    func refuseFor(_ mount: MountedStore) throws(Failure) {
        let given = [
            ("--keystore", keystore), ("--kms", kms), ("--key-file", keyFile),
            ("--passphrase-command", passphraseCommand),
            ("--recovery-key-file", recoveryKeyFile),
        ].first { $0.1 != nil }
        guard let given else { return }
        throw Failure(
            .invalid,
            "\(given.0) has no effect here: the store is mounted at \(mount.mountPoint), and its"
                + " mount has its keys already.",
            advice: "Leave it out, or mount the store with it: sealdisk unmount"
                + " \(ShellWord.text(mount.mountPoint)), then sealdisk mount"
                + " \(ShellWord.text(mount.store)) \(ShellWord.text(mount.mountPoint))"
                + " \(given.0) ….")
    }

    /// What was said, for the composition root. Throws where it contradicts itself, and what cannot
    /// be used of a URI.
    func keySource() throws(Failure) -> KeySource {
        let unlocker: Unlocker? =
            keyFile.map { .keyFile($0) } ?? passphraseCommand.map { .passphraseCommand($0) }
            ?? recoveryKeyFile.map { .recoveryKeyFile($0) }
        var source = KeySource(
            keystore: keystore ?? environmentVariable("SEALDISK_KEYSTORE"), unlocker: unlocker)
        // A keystore that is named outweighs the environment, and the other way round.
        guard let uri = kms ?? (keystore == nil ? environmentVariable("SEALDISK_KMS") : nil) else {
            return source
        }
        guard keystore == nil, unlocker == nil else {
            let (what, given) = keystore == nil ? ("opens", "secret") : ("is", "keystore")
            throw Failure(
                .invalid,
                "A key service holds the customer master key instead of a keystore, and a \(given)"
                    + " that \(what) a keystore was given, too.",
                advice: "Give --keystore PATH, or --kms URI (or $SEALDISK_KMS), and not both; key"
                    + " file, passphrase and recovery key belong to the keystore.")
        }
        do throws(KeyError) {
            source.keyService = try KeyServiceURI(uri)
        } catch {
            throw Failure(
                .invalid, "--kms: \(error.message).",
                advice: "What such a URI holds stands in KeyManagement.md.")
        }
        return source
    }
}

/// The value of an environment variable that is set and not empty.
func environmentVariable(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}
