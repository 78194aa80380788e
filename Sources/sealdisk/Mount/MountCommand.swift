import ArgumentParser
import Glibc

struct MountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount",
        abstract: "Mount a store: its disks and snapshots show as files.",
        discussion: """
            Returns when the mount is usable; the process that serves it goes to the background.

            It ends with sealdisk unmount, which refuses while the mount is in use. SIGTERM, \
            SIGINT and SIGHUP end it all the same, as when the host shuts down: whoever still \
            uses it is cut off, what was acknowledged is made durable, the log says what was \
            open, and the exit code is not 0.

            After a crash of its process every access fails at once (ENOTCONN): --recover clears \
            that away and mounts anew. For an upgrade --takeover goes on with a mount that is in \
            use.

            EXAMPLES:
              sealdisk mount /srv/store /mnt/seal --key-file /root/sealdisk.key
              sealdisk mount /srv/store /mnt/seal -o attach=data:photos
              sealdisk mount --recover /srv/store /mnt/seal -o attach=data
              sealdisk mount 's3://backups/store?durability=store' /mnt/seal

            OPTIONS OF -o, separated by commas, as in fstab(5):
              attach=NAME[:NAME…]     attach these disks; attach=all: every disk
              ro                      nothing can be changed through the mount; disks attach
              allow_other             other users see the tree (but open neither disks nor control)
              require=encrypted       disks that are not encrypted do not open
              qos                     every disk is held to the speed of its category
              detect_zeroes           blocks of zeros are stored as holes
              nonempty                mount over a folder that holds something
              map_memory=256M         memory for the maps of all disks
              end_timeout=SECONDS     how long the end may take before the process leaves
              anchor=PATH             remember the store's past in this file, outside of it, and \
            refuse an older store (default: in the host's state directory)
              anchor=none             remember nothing
              anchor=strict           no flush is answered before the anchor knows of it
              anchor_strict           the same, with anchor=PATH
              kms=URI                 who holds the customer master key instead of the keystore
              key_policy=fence        cut encrypted disks off when that service disables the key
              key_check=SECONDS       how often it is asked then (default 60)
              log_level=LEVEL         from which level on it reports (default info)
              endpoint=URL            the server of a store on S3, if its URI does not name one
              keystore=PATH, key_file=PATH, passphrase_command=COMMAND, log_file=PATH
            """)

    @Argument(
        help: ArgumentHelp("The store's folder or URI.", valueName: "store"),
        completion: .directory)
    var store: String

    @Option(help: EndpointHelp.text)
    var endpoint: String?

    @Flag(
        help: ArgumentHelp(
            "Take the disks of attach= over from another host that has them.",
            discussion: """
                Of a store on S3 or in Ceph. From then on nothing that the other host writes \
                becomes part of them, and its users get errors; what it had not put there yet \
                is lost. A host that has the store as a whole loses all of it.
                """))
    var fence = false

    @Argument(
        help: ArgumentHelp("The folder to mount it on.", valueName: "dir"), completion: .directory)
    var directory: String

    @Option(
        name: .customShort("o"), help: ArgumentHelp("Mount options.", valueName: "options"))
    var options: [String] = []

    @Flag(help: "Hold every disk to the speed of its category (the same as -o qos).")
    var qos = false

    @Flag(help: "Stay in the foreground, until the mount ends.")
    var foreground = false

    @Option(
        help: ArgumentHelp(
            "Where it writes what it reports, instead of the journal or the terminal.",
            valueName: "path"), completion: .file())
    var logFile: String?

    @Flag(
        help: ArgumentHelp(
            "Go on with a mount that another process serves, without an end for its users.",
            discussion: """
                For an upgrade: give the options it was mounted with. Whoever uses the mount waits \
                a moment; if this process cannot take it over, the other goes on.
                """))
    var takeover = false

    @Flag(
        help: ArgumentHelp(
            "Take away first what a daemon that died has left, and say what to check.",
            discussion: """
                That is the dead mount, loop devices over its files, and file systems on those. \
                What was acknowledged is in the store; what a file system had not flushed is lost, \
                as after a power failure.
                """))
    var recover = false

    @Option(
        help: ArgumentHelp(
            "From which level on it reports: debug, info (usual), notice, warning, error,"
                + " critical.", valueName: "level"),
        completion: .list(["debug", "info", "notice", "warning", "error", "critical"]))
    var logLevel: String?

    @OptionGroup var keys: KeyOptions

    @Option(name: .customLong(Daemon.readyOption), help: .hidden)
    var readyDescriptor: Int32?

    func validate() throws {
        guard !(takeover && recover) else {
            throw ValidationError(
                "--takeover is for a daemon that lives, --recover for one that died.")
        }
    }

    func run() throws {
        // The process in the background finds that done.
        let dead = recover && readyDescriptor == nil ? try DeadMount.at(directory) : nil
        if let dead {
            try dead.clear()
            Report.line("the dead mount at \(dead.mount.mountPoint) is taken away")
        }
        // What to do is said also if the mount then fails: it is known only now.
        defer { for line in dead?.advice ?? [] { Report.line(line) } }
        guard foreground || readyDescriptor != nil else {
            return try Daemon.start()
        }
        if let readyDescriptor { Background.dropInherited(keeping: readyDescriptor) }
        let readiness = Readiness(descriptor: readyDescriptor)
        do throws(Failure) {
            try MountService(plan: try plan()).run(readiness)
        } catch {
            readiness.report(error)
            // Whoever waits prints it; printed here too, it would be read twice.
            guard !readiness.isAwaited else { Glibc.exit(error.exitCode) }
            throw error
        }
    }

    private func plan() throws(Failure) -> MountPlan {
        var flags = try MountFlags(options)
        flags.limitsSpeed = flags.limitsSpeed || qos
        if let logLevel { flags.logLevel = try MountFlags.level(logLevel) }
        flags.logFile = logFile ?? flags.logFile
        flags.logFile = flags.logFile.map(AbsolutePath.ofFile)
        flags.anchor = (flags.anchor ?? .ofEnvironment).absolute
        let taken = takeover ? try mountToTakeOver() : nil
        let mountPoint =
            if let taken { taken.mountPoint } else { try MountPoint.usable(directory) }
        let plan = MountPlan(
            store: try StoreLocation.named(store, endpoint: endpoint ?? flags.endpoint),
            mountPoint: mountPoint,
            flags: flags, keys: try keys.keySource(withDefaultsFrom: flags), takenOver: taken,
            isFencing: fence)
        if taken == nil {
            try MountCover.check(
                plan.mountPoint, store: plan.store, isNonemptyAllowed: flags.coversFiles)
        }
        try plan.refuseCovered()
        // A disk that is to be attached at once says by itself that its key is not to be had.
        if flags.attach == .none, let note = KeystoreNote.text(of: plan.keys) {
            Terminal.complain("sealdisk: \(note)\n")
        }
        return plan
    }

    private func mountToTakeOver() throws(Failure) -> MountedStore {
        let mount = try MountPoint.ofMount(directory)
        guard mount == StoreLocation.mount(named: store) else {
            throw Failure(
                .invalid,
                "At \(mount.mountPoint) the store \(mount.store) is mounted, not \(store).",
                advice: "Name the store that is mounted there.")
        }
        guard MountProbe.of(mount.mountPoint) != .silent else {
            throw MountProbe.silence(of: mount)
        }
        return mount
    }
}

extension KeyOptions {
    /// The command line's options before those of `-o`; paths absolute, for the process in the
    /// background leaves the current folder.
    func keySource(withDefaultsFrom flags: MountFlags) throws(Failure) -> KeySource {
        var options = self
        options.kms = kms ?? flags.kms
        options.keystore = (keystore ?? flags.keystore).map(AbsolutePath.ofFile)
        if keyFile == nil, passphraseCommand == nil, recoveryKeyFile == nil {
            options.keyFile = flags.keyFile
            options.passphraseCommand = flags.passphraseCommand
        }
        options.keyFile = options.keyFile.map(AbsolutePath.ofFile)
        options.recoveryKeyFile = recoveryKeyFile.map(AbsolutePath.ofFile)
        var source = try options.keySource()
        source.keystore = source.keystore.map(AbsolutePath.ofFile)
        return source
    }
}

extension AbsolutePath {
    /// The absolute path of a file that need not exist.
    static func ofFile(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = resolve(".") else { return path }
        return "\(folder)/\(path)"
    }
}
