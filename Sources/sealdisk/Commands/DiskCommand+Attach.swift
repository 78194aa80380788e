import ArgumentParser
import ControlPlane

extension DiskCommand {
    struct Attach: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Attach a disk: its key comes into memory and its file opens.",
            discussion: """
                Prints where it is: its file in the mount, or with --loop a block device over \
                that file. A disk that is attached already stays so; with --loop it gets its loop \
                device, or tells the one it has.

                With --at the file system on it is mounted; with --mkfs one is made before, only \
                on a blank disk. If a step fails, those before it are undone: the disk is as it \
                was found. `detach` undoes all of it.

                EXAMPLES:
                  sealdisk disk attach data --loop --mkfs ext4 --at /data
                  sealdisk disk attach data --loop --at /data --options noatime
                  sealdisk disk attach data --fence --loop --at /data
                  sealdisk disk attach windows --loop --read-only --partscan --sector-size 512
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        @Option(
            help: "The instance it is attached to; the host itself if none is named.",
            completion: .instances)
        var instance: String?

        @Flag(help: "Set up a loop device for it (direct I/O, sectors of 4096 bytes).")
        var loop = false

        @Flag(help: "Make the loop device read-only.")
        var readOnly = false

        @Option(
            help: ArgumentHelp(
                "Make a file system of this type (ext4, xfs, …) on a disk that is blank.",
                valueName: "type"))
        var mkfs: String?

        @OptionGroup(title: "LOOP DEVICE") var loopOptions: LoopOptions

        @Flag(help: "Refuse a disk that is not encrypted.")
        var requireEncrypted = false

        @Flag(
            help: ArgumentHelp(
                "Attach it also if the store was put back to an earlier state.",
                discussion: "For restored copies; the acceptance is recorded in the key-use log."))
        var acceptRollback = false

        @Flag(
            help: ArgumentHelp(
                "Take it from another host that works with it or its lineage.",
                discussion: "For a host that is lost: what it writes from then on is refused."))
        var fence = false

        func validate() throws {
            let given = readOnly ? "--read-only" : mkfs != nil ? "--mkfs" : loopOptions.given
            if let given, !loop {
                throw ValidationError("\(given) is about the loop device: add --loop.")
            }
            if mkfs != nil, readOnly || loopOptions.partition != nil {
                throw ValidationError("--mkfs makes a file system on the whole of a writable disk.")
            }
            if loopOptions.place == nil, loopOptions.mountOptions != nil {
                throw ValidationError("--options is about the mount of --at.")
            }
        }

        func run() throws {
            let (options, place) = placeAndStore()
            let client = try Client(options)
            let mount = try client.demandMount(for: "attaching a disk")
            let before = try DiskCommand.describe(disk, through: client)
            let id = before.text("DiskId")
            let isAttached = before.flag("Open")
            let request = Request(
                "AttachDisk",
                [
                    "DiskId": id, "InstanceId": instance,
                    "Encrypted": requireEncrypted ? "true" : nil,
                    "AcceptRollback": acceptRollback ? "true" : nil,
                    "Fence": fence ? "true" : nil,
                ])
            let file = mount.file(ofDisk: before.text("Name"))
            if isAttached { try checkEncryption(of: before) }
            guard loop else {
                if isAttached, instance == nil {
                    DiskCommand.tellNothingToDo(
                        "is attached already", before, json: options.json)
                } else {
                    try client.perform(request)
                    tellTaken(before)
                }
                if !options.json { print(file) }
                return
            }
            if mkfs != nil { try NewFileSystem.demandBlank(before) }
            Interruption.watch()
            let made = try Stage.allOrNothing { stage throws(Failure) in
                if !isAttached {
                    try stage.done("disk \(disk)") { () throws(Failure) in
                        _ = try client.ask(request)
                    } undo: { _ throws(Failure) in
                        try client.ask(Request("DetachDisk", ["DiskId": id]))
                    }
                }
                return try LoopSetUp(
                    file: file, options: loopOptions, isReadOnly: readOnly, place: place
                ).run(stage, mkfs: mkfs) { () throws(Failure) in
                    // Once more: until it was attached another could write to it.
                    try NewFileSystem.demandBlank(DiskCommand.describe(id, through: client))
                }
            }
            if !isAttached { tellTaken(before) }
            made.show(["DiskId": .string(id)], json: options.json)
        }

        /// What was asked for is done, and somebody has lost something by it.
        private func tellTaken(_ disk: JSON) {
            guard fence, let holder = disk["HeldElsewhere"]?.string else { return }
            Terminal.complain(
                "sealdisk: disk \(Table.printable(disk.text("Name"))) was taken from"
                    + " `\(Table.printable(holder))`.\nWhat that had not put into the store yet is"
                    + " lost, and it can write nothing more there.\n")
        }

        /// `--mkfs TYPE --mount DIR` where no store is mounted at DIR can only mean the place for
        /// the new file system.
        private func placeAndStore() -> (GlobalOptions, place: String?) {
            guard mkfs != nil, loopOptions.place == nil, let given = options.mount,
                MountPoint.mount(at: given) == nil
            else { return (options, loopOptions.place) }
            var options = options
            options.mount = nil
            return (options, given)
        }

        /// What the request would have demanded of a disk that is attached already.
        private func checkEncryption(of disk: JSON) throws(Failure) {
            guard requireEncrypted, !disk.flag("Encrypted") else { return }
            throw Failure(
                .invalid, "Disk '\(disk.text("Name"))' is plain, and encryption is required.",
                advice: "If it was created encrypted, the store was changed: check it.")
        }
    }

    struct Detach: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Detach a disk: everything is made durable and its key leaves memory.",
            discussion: """
                Undoes what attach did: unmounts what `attach --at` mounted, and takes the loop \
                devices away. Refused, with who uses it, while that is in use, while a loop device \
                is otherwise mounted or used, and while a program has the file open.

                A disk that takes no more writes, as one that another host took with --fence, is \
                detached, too; what could not be written is lost, and it ends with an error that \
                says why.

                EXAMPLE:
                  sealdisk disk detach data
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        @Option(
            help: "The instance it is detached from, if it is attached to several.",
            completion: .instances)
        var instance: String?

        func run() throws {
            let client = try Client(options)
            let found = try DiskCommand.describe(disk, through: client)
            let request = Request(
                "DetachDisk", ["DiskId": found.text("DiskId"), "InstanceId": instance])
            let places = found["Attachments"]?["Attachment"]?.array ?? []
            guard let attached = AttachedDisk(found, through: client), places.count <= 1 else {
                guard places.isEmpty else {
                    // It stays open for others, or was opened by a mount that has ended.
                    try client.perform(request)
                    if !options.json { print("Detached disk \(found.text("Name")).") }
                    return
                }
                return DiskCommand.tellNothingToDo(
                    "is not attached: nothing is left to do", found, json: options.json)
            }
            let failure = DiskCommand.failure(of: found, through: client)
            try attached.takeDown(losing: failure != nil)
            do {
                try client.perform(request)
            } catch {
                throw error.naming(holdersOf: attached.file)
            }
            if !options.json { print("Detached disk \(found.text("Name")).") }
        }
    }
}
