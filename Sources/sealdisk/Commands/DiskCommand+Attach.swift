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

                EXAMPLE:
                  mkfs.ext4 $(sealdisk disk attach data --loop)
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.")
        var disk: String

        @Option(help: "The instance it is attached to; the host itself if none is named.")
        var instance: String?

        @Flag(help: "Set up a loop device for it (direct I/O, sectors of 4096 bytes).")
        var loop = false

        @Flag(help: "Make the loop device read-only.")
        var readOnly = false

        @Flag(help: "Refuse a disk that is not encrypted.")
        var requireEncrypted = false

        @Flag(
            help: ArgumentHelp(
                "Attach it also if the store was put back to an earlier state.",
                discussion: "For restored copies; the acceptance is recorded in the key-use log."))
        var acceptRollback = false

        func validate() throws {
            guard loop || !readOnly else {
                throw ValidationError("--read-only is about the loop device: add --loop.")
            }
        }

        func run() throws {
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
                ])
            let file = mount.file(ofDisk: before.text("Name"))
            if isAttached { try checkEncryption(of: before) }
            guard loop else {
                if isAttached, instance == nil {
                    DiskCommand.tellNothingToDo(
                        "is attached already", before, json: options.json)
                } else {
                    try client.perform(request)
                }
                if !options.json { print(file) }
                return
            }
            if !isAttached {
                try client.ask(request)
            }
            do {
                let device =
                    try existingLoop(of: file)
                    ?? LoopDevice.create(
                        over: file, readOnly: readOnly)
                show(device, disk: id)
            } catch {
                // As it was found: a disk that only this command attached is detached again.
                if !isAttached { _ = try? client.ask(Request("DetachDisk", ["DiskId": id])) }
                throw error
            }
        }

        /// What the request would have demanded of a disk that is attached already.
        private func checkEncryption(of disk: JSON) throws(Failure) {
            guard requireEncrypted, !disk.flag("Encrypted") else { return }
            throw Failure(
                .invalid, "Disk '\(disk.text("Name"))' is plain, and encryption is required.",
                advice: "If it was created encrypted, the store was changed: check it.")
        }

        private func existingLoop(of file: String) -> LoopDevice? {
            LoopDevice.all(of: file).first { $0.isReadOnly == readOnly }
        }

        private func show(_ device: LoopDevice, disk: String) {
            if options.json {
                print(JSON.object(["DiskId": .string(disk), "Device": .string(device.path)]).text)
            } else {
                print(device.path)
            }
            if !device.hasDirectIO {
                Terminal.complain(
                    "sealdisk: \(device.path) works without direct I/O; data is cached twice\n")
            }
        }
    }

    struct Detach: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Detach a disk: everything is made durable and its key leaves memory.",
            discussion: """
                Takes its loop devices away first. Refused while one of them is mounted, used as \
                swap or otherwise in use, and while a program has the file open.

                EXAMPLE:
                  umount /data && sealdisk disk detach data
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.")
        var disk: String

        @Option(help: "The instance it is detached from, if it is attached to several.")
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
            try attached.removeLoops()
            do {
                try client.perform(request)
            } catch {
                throw error.naming(holdersOf: attached.file)
            }
            if !options.json { print("Detached disk \(found.text("Name")).") }
        }
    }
}
