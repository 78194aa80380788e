import ArgumentParser
import ControlPlane
import DiskEngine
import KeyManagement

struct KMSCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kms",
        abstract: "The key management service: activate it, see its key.",
        discussion: """
            Each account and region has one customer master key, made by the system with the \
            first encrypted disk. It lies sealed in the keystore, apart from the disks, and opens \
            with a key file or a passphrase; or in a hardware security module or key server, \
            which --kms names.

            EXAMPLES:
              sealdisk kms activate --key-file /root/sealdisk.key
              sealdisk kms show
              sealdisk kms recovery-key
            """,
        subcommands: [
            Activate.self, Show.self, Rotate.self, Rewrap.self, Log.self, Quota.self, Usage.self,
            UnlockerCommand.self,
            Passphrase.self, RecoveryKeyCommand.self,
        ])

    struct Activate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Activate the service (OpenKmsService): needed once before encryption.",
            discussion: """
                Makes the keystore if there is none. With --key-file the key file is made too if \
                it is missing; otherwise a passphrase is asked for at the terminal. Where the \
                service is active already nothing is made, and a secret that is given must open \
                the keystore.

                EXAMPLE:
                  sealdisk kms activate --key-file /root/sealdisk.key
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var home: HomeOptions

        func run() throws {
            Hardening.apply()
            let keys = try home.service(options)
            try finish(options) { () throws(Refusal) in
                try KeyActions(keys: keys.metered, region: keys.metered.region).activate()
            } show: { reply in
                let what = reply["AlreadyActive"] == true ? "was active already" : "is activated"
                print("The KMS \(what) for account \(keys.metered.account); \(keys.place).")
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the customer master key, where it is held and how its keystore opens.",
            discussion: """
                What it was used for stands in the key-use log. `sealdisk api DescribeKey` asks \
                the mount instead, and counts the uses since it was mounted.

                --dependents lists what is lost with the key: the disks, snapshots and images of \
                the store at hand whose data keys are wrapped under it.

                EXAMPLE:
                  sealdisk kms show --dependents --store /srv/store
                """)

        @Flag(help: "List the disks, snapshots and images that need this key.")
        var dependents = false

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var home: HomeOptions

        func run() throws {
            let keys = try home.service(options)
            let all = try dependents ? KeyDependents(Client(options)) : nil
            do {
                try finish(options) { () throws(Refusal) in
                    var fields = try KeyActions(keys: keys.metered, region: keys.metered.region)
                        .describe(asked: nil)
                    if let all { fields.append("Dependents", all.of(keyID(fields)).json) }
                    return fields
                } show: { fields in
                    print(Self.details(of: fields, keys).text, terminator: "")
                    guard let found = all?.of(keyID(fields)) else { return }
                    print("")
                    Terminal.show(found.table)
                    print(found.summary)
                }
            } catch {
                // Where the key is not to be had, its place is what is asked for.
                if !options.json { Terminal.complain(Self.place(of: keys).text) }
                throw error
            }
        }

        private func keyID(_ fields: JSONObject) -> String {
            fields["KeyMetadata"]?.text("KeyId") ?? ""
        }

        private static func details(of fields: JSONObject, _ keys: HostKeys) -> Details {
            let key = fields["KeyMetadata"] ?? .null
            var details = place(of: keys)
            details.add("Key", key.text("KeyId"))
            details.add("Alias", key.text("Alias"))
            details.add("Account", key.text("Creator"))
            details.add("Region", key.text("RegionId"))
            details.add("Created", key.text("CreationDate"))
            details.add("State", key.text("KeyState"))
            details.add("Deleted on", key["DeleteDate"]?.string)
            details.add("Origin", key.text("Origin"))
            details.add("Version", key["KeyVersion"]?.unsigned.map(String.init))
            return details
        }

        /// Where the keystore lies, and how it opens.
        private static func place(of keys: HostKeys) -> Details {
            var details = Details()
            if let keystore = keys.keystore {
                add(keystore, to: &details)
            } else {
                details.add("Key service", keys.metered.backend.location)
            }
            details.add("Key-use log", keys.metered.logPath)
            return details
        }

        private static func add(_ keystore: EmbeddedKMS, to details: inout Details) {
            details.add("Keystore", keystore.path)
            let opening: KeystoreOpening?
            do {
                opening = try keystore.opening()
            } catch {
                details.add("Opens", "cannot be told: \(error.message)")
                return
            }
            details.add(
                "Opens", opening?.words ?? "there is none (sealdisk kms activate makes it)")
            if case .keyFile(_, let isThere) = opening {
                details.add("Key file", isThere ? "is there" : "is not there: put it back")
            }
        }
    }
}

/// Whose keys are meant: those of the store at hand, or those that are said.
struct HomeOptions: ParsableArguments {
    @Option(help: "The account. Default: the store's, or 'local'.")
    var account: String?

    @Option(help: "The region. Default: the store's, or 'local'.")
    var region: String?

    /// The KMS of the account and region. The keystore is the host's: no store is opened for it.
    func service(_ options: GlobalOptions) throws(Failure) -> HostKeys {
        var (account, region) = (self.account, self.region)
        if account == nil || region == nil, let path = try storeAtHand(options) {
            var home = MountedHome(ofStore: path)
            if home == nil, options.isStoreSaid || path.hasPrefix("/") {
                home = MountedHome(try storeIdentity(at: path))
            }
            // Of a store elsewhere that nobody named, and whose mount has just gone, nothing is
            // known here: as if it had not been mounted.
            account = account ?? home?.account
            region = region ?? home?.region
        }
        return try options.keys.keySource().service(
            account: account ?? Home.account, region: region ?? Home.region)
    }

    private func storeAtHand(_ options: GlobalOptions) throws(Failure) -> String? {
        if let path = options.storePath { return try StoreLocation.named(path) }
        if let path = options.mountPath, options.mount != nil || MountPoint.mount(at: path) != nil {
            guard case .mount(let mount) = try Client(options).door else { return nil }
            return mount.store
        }
        let mounts = MountedStore.usable(among: MountedStore.all())
        return mounts.count == 1 ? mounts[0].store : nil
    }
}

/// Whose a store is. One that is mounted says so by its mount: who asks may have no access to the
/// store itself, as to a bucket.
private struct MountedHome {
    let account: String
    let region: String

    init(_ identity: StoreIdentity) {
        account = identity.account
        region = identity.region
    }

    /// nil if it is not mounted, or its mount does not say.
    init?(ofStore path: String) {
        guard let mount = MountedStore.all().last(where: { $0.store == path }), mount.isTrusted,
            MountProbe.of(mount.mountPoint) == .answers,
            let bytes = HostText.bytes(mount.mountPoint + "/status.json"),
            let identity = try? JSON(parsing: bytes)["identity"],
            let account = identity["account"]?.string, let region = identity["region"]?.string
        else { return nil }
        (self.account, self.region) = (account, region)
    }
}

/// Performs an action of the KMS and prints its outcome as any other action's.
private func finish(
    _ options: GlobalOptions,
    _ work: () throws(Refusal) -> JSONObject, show: (JSONObject) -> Void
) throws(Failure) {
    let reply = Reply(work)
    if let refusal = reply.refusal { throw Failure(refusal, reply: reply.json) }
    if options.json { return JSONOutput.show(reply.json) }
    show(reply.fields)
}

extension KeystoreOpening {
    /// How, behind "opens".
    var words: String {
        switch self {
        case .passphrase: "with a passphrase"
        case .passphraseCommand: "with a passphrase (--passphrase-command)"
        case .recoveryKey: "with a recovery key (--recovery-key-file)"
        case .keyFile(let path, _): "with the key file \(path ?? "that made it (--key-file)")"
        }
    }
}
