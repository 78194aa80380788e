import ArgumentParser
import ControlPlane
import KeyManagement

/// What a new unlocker is: an option for each sort, and a passphrase that is asked for without.
struct NewSecretOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The new passphrase is the first line that this shell command prints.",
            valueName: "command"))
    var newPassphraseCommand: String?

    var passphrase: Unlocker { newPassphraseCommand.map { .passphraseCommand($0) } ?? .prompt }
}

extension KMSCommand {
    struct UnlockerCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "unlocker",
            abstract: "The ways to open the keystore: list, add, remove.",
            discussion: """
                A keystore opens with any of its unlockers: passphrases, key files, recovery keys. \
                --key-file, --passphrase-command and --recovery-key-file say what opens it now.

                EXAMPLES:
                  sealdisk kms unlocker add --new-key-file /media/stick/sealdisk.key
                  sealdisk kms unlocker remove 2
                """,
            subcommands: [List.self, Add.self, Remove.self])

        struct List: ParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "List the unlockers.",
                discussion: """
                    EXAMPLE:
                      sealdisk kms unlocker list
                    """)

            @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
            @OptionGroup var home: HomeOptions

            func run() throws {
                let keystore = try home.service(options).demandKeystore()
                let all = try refusing { () throws(KeyError) in try keystore.unlockers() }
                guard options.json else {
                    return Terminal.show(
                        Table(
                            [.right("ID"), .left("KIND"), .left("KEY FILE")],
                            rows: all.map { [String($0.id), $0.kind, $0.keyFile ?? "-"] }))
                }
                let list = all.map { unlocker in
                    var object: JSONObject = [
                        "Id": .integer(unlocker.id), "Kind": .string(unlocker.kind),
                    ]
                    object.append("KeyFile", unlocker.keyFile.map { .string($0) })
                    return JSON.object(object)
                }
                JSONOutput.show(.object(["Unlockers": .array(list)]))
            }
        }

        struct Add: ParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Add a key file, which is made if it is missing, or a passphrase.",
                discussion: """
                    EXAMPLES:
                      sealdisk kms unlocker add --new-key-file /media/stick/sealdisk.key
                      sealdisk kms unlocker add
                    """)

            @Option(
                help: ArgumentHelp("The key file to be added.", valueName: "path"),
                completion: .file())
            var newKeyFile: String?

            @OptionGroup var new: NewSecretOptions
            @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
            @OptionGroup var home: HomeOptions

            func validate() throws {
                if newKeyFile != nil, new.newPassphraseCommand != nil {
                    throw ValidationError("Give --new-key-file or --new-passphrase-command.")
                }
            }

            func run() throws {
                Hardening.apply()
                let keystore = try home.service(options).demandKeystore()
                let unlocker = newKeyFile.map { Unlocker.keyFile($0) } ?? new.passphrase
                let id = try refusing { () throws(KeyError) in try keystore.addUnlocker(unlocker) }
                if options.json { return JSONOutput.show(.object(["Id": .integer(id)])) }
                print("Unlocker \(id) opens keystore \(keystore.path), too.")
            }
        }

        struct Remove: ParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Remove an unlocker; another one has to open the keystore for it.",
                discussion: """
                    Copies of the keystore from before still open with what is removed.

                    EXAMPLE:
                      sealdisk kms unlocker remove 2
                    """)

            @Argument(help: ArgumentHelp("As the list shows it.", valueName: "id"))
            var id: Int

            @OptionGroup var confirmation: Confirmation
            @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
            @OptionGroup var home: HomeOptions

            func run() throws {
                Hardening.apply()
                let keystore = try home.service(options).demandKeystore()
                try confirmation.confirm { () throws(Failure) in
                    let all = try refusing { () throws(KeyError) in try keystore.unlockers() }
                    let others = all.filter { $0.id != id }.map { "\($0.kind) (\($0.id))" }
                    let kind = all.first { $0.id == id }.map { $0.kind + " " } ?? ""
                    return "Remove unlocker \(id), \(kind)of keystore \(keystore.path)? It opens"
                        + " the keystore no more; that leaves: \(others.joined(separator: ", "))."
                }
                try refusing { () throws(KeyError) in try keystore.removeUnlocker(id) }
                if options.json { return JSONOutput.show(.object(["Id": .integer(id)])) }
                print("Unlocker \(id) does not open keystore \(keystore.path) any more.")
            }
        }
    }

    struct Passphrase: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change the keystore's passphrase, or give it one.",
            discussion: """
                Opened by a recovery key or a key file, it replaces the passphrase that was \
                forgotten.

                EXAMPLES:
                  sealdisk kms passphrase
                  sealdisk kms passphrase --recovery-key-file /media/stick/recovery
                """)

        @OptionGroup var new: NewSecretOptions
        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var home: HomeOptions

        func run() throws {
            Hardening.apply()
            let keystore = try home.service(options).demandKeystore()
            try refusing { () throws(KeyError) in
                try keystore.changePassphrase(to: new.passphrase)
            }
            if options.json {
                return JSONOutput.show(.object(["Keystore": .string(keystore.path)]))
            }
            print("Keystore \(keystore.path) opens with the new passphrase.")
        }
    }

    struct RecoveryKeyCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "recovery-key",
            abstract: "Make a recovery key, shown once, that opens the keystore when all is lost.",
            discussion: """
                Write it down, and keep it apart from this host. It is typed where a passphrase is \
                asked for, or given with --recovery-key-file.

                EXAMPLE:
                  sealdisk kms recovery-key
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var home: HomeOptions

        func run() throws {
            Hardening.apply()
            let keystore = try home.service(options).demandKeystore()
            let made = try refusing { () throws(KeyError) in try keystore.addRecoveryKey() }
            if options.json {
                return JSONOutput.show(
                    .object(["Id": .integer(made.id), "RecoveryKey": .string(made.text)]))
            }
            print(made.text)
            Terminal.complain(
                "This is unlocker \(made.id) of keystore \(keystore.path). It is kept nowhere.\n")
        }
    }
}

/// A refusal of the keystore's own rules breaks a rule; everything else is as for any action.
private func refusing<R>(_ work: () throws(KeyError) -> R) throws(Failure) -> R {
    do throws(KeyError) {
        return try work()
    } catch {
        guard error.code == .refused else { throw Failure(Refusal(ofStore: error)) }
        throw Failure(.invalid, error.message + ".", advice: "See: sealdisk kms unlocker list")
    }
}
