import ArgumentParser
import ControlPlane
import Glibc

/// The way across between encrypted and plain, between stores, and out of or into folders.
struct CopyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy",
        abstract: "Copy files between disks, snapshots and folders: from plain to encrypted, say.",
        discussion: """
            Nothing is ever converted; files are copied, with everything rsync can keep (-aHAXS, \
            numeric ids). SOURCE and TARGET are the names of disks or snapshots, their paths in a \
            mount (of another store, too), or folders.

            Of a disk its state at this moment is copied, by a snapshot that goes again; what uses \
            it is not disturbed. The target is mounted for the time of the copy, or used where it \
            is mounted already. Everything is compared afterwards, by checksums. Whatever happens, \
            what was set up is taken down again; the same command goes on where an interrupted one \
            stopped. Needs root, rsync, and a mounted store.

            EXAMPLES:
              sealdisk disk create sealed --size 20G --encrypted
              sealdisk copy plain sealed --mkfs ext4
              sealdisk copy monday /srv/restored
              sealdisk copy /srv/www data
              sealdisk copy data /mnt/other/disks/data
            """)

    @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
    @OptionGroup var telling: ProgressOptions

    @Argument(
        help: "What is copied: a disk, a snapshot, or a folder.", completion: .disksAndSnapshots)
    var source: String

    @Argument(help: "Where to: a disk, or a folder.", completion: .disks)
    var target: String

    @Option(
        help: ArgumentHelp(
            "Make a file system of this type (ext4, xfs, …) on a target that is blank.",
            valueName: "type"))
    var mkfs: String?

    @Flag(help: "Delete what the target has and the source has not.")
    var delete = false

    @OptionGroup var confirmation: Confirmation

    @Flag(inversion: .prefixedNo, help: "Compare everything afterwards.")
    var verify = true

    func run() throws {
        guard geteuid() == 0 else {
            throw Failure(
                .denied, "Copying mounts file systems, which needs root.",
                advice: "Run it with sudo, or mount both yourself and use rsync -aHAXS.")
        }
        Interruption.watch()
        let from = try CopyPlace(source, options)
        let to = try CopyPlace(target, options)
        try refuseSelf(from, to)
        if delete {
            try confirmation.confirm { () throws(Failure) in
                "Delete from \(to.text) whatever \(from.text) has not? It is lost, unless a"
                    + " snapshot has it."
            }
        }
        for client in [from.client, to.client].compactMap({ $0 }) {
            try CopyLeftovers.takeDown(through: client)
        }
        let stage = Stage()
        let outcome = Result { () throws(Failure) in try copy(from, to, stage) }
        let left = stage.takeDown()
        for problem in left { Terminal.complain("sealdisk: \(problem)\n") }
        try outcome.get()
        guard left.isEmpty else {
            throw Failure(
                .failed, "Everything was copied, and not everything could be taken down again.",
                advice: "See above; the next sealdisk copy tries it once more.")
        }
        if options.json {
            JSONOutput.show(.object(["Copied": true, "Verified": .bool(verify)]))
        } else {
            print("Copied \(from.text) to \(to.text)\(verify ? " and compared it" : "").")
        }
    }

    private func copy(
        _ from: CopyPlace, _ to: CopyPlace, _ stage: Stage
    ) throws(Failure) {
        let source = try from.openForReading(stage)
        let target = try to.openForWriting(stage, mkfs: mkfs)
        let rsync = Rsync(source: source, target: target, deletes: delete)
        try rsync.copy("Copying \(from.text) to \(to.text)", telling.progress)
        try FileSystemSync.run(target)
        guard verify else { return }
        // rsync does not say how far it is; that it goes on is seen in `sealdisk jobs`.
        let comparing = Progress(of: 0, "Comparing \(from.text) with \(to.text)", telling.progress)
        defer { comparing.end() }
        try rsync.compare()
    }

    private func refuseSelf(_ from: CopyPlace, _ to: CopyPlace) throws(Failure) {
        guard from.text == to.text || from.isSame(as: to) else { return }
        throw Failure(
            .invalid, "\(from.text) would be copied to itself.", advice: "Name another target.")
    }
}
