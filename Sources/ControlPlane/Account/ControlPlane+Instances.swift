import DiskEngine
import DiskFormat

// Instances: names under which disks are found together. Making one with disks is all or nothing,
// also across a crash: the record says which instance is being made before its disks are, and that
// it is there when they all are. What an interruption leaves is finished at the next opening.
extension ControlPlane {
    /// Data disks that an instance may have, but for the host itself.
    static let disksPerInstance = 64
    /// Data disks that an instance may be made with.
    static let disksAtCreation = 16

    func createInstance(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let digest = try digest(of: arguments)
        let token = try arguments.clientToken()
        if let token, let made = try instanceCreated(with: token, digest: digest) {
            return Self.created(made)
        }
        try refuseSystemDisk(arguments)
        let name = try arguments.text("InstanceName")
        if let name { try demandFree(instanceName: name) }
        let description = try arguments.description()
        let disks = try disksToMake(arguments)
        try arguments.stopIfDryRun()
        var instance = AccountRecord.Instance(
            id: InstanceID(random: try engine(about: .request) { try store.drawID() }),
            name: name, description: description, created: store.time)
        if let token { (instance.clientToken, instance.clientRequest) = (token, digest) }
        let made = try make(instance, with: disks)
        return Self.created(made)
    }

    private static func created(_ instance: AccountRecord.Instance) -> JSONObject {
        [
            "InstanceId": .string(instance.id.text),
            "DiskIds": .object([
                "DiskId": .array(instance.attachments.map { .string($0.disk.text) })
            ]),
        ]
    }

    /// Makes the disks, opens them where the store is mounted, and then the instance; or nothing.
    private func make(
        _ instance: AccountRecord.Instance, with disks: [NewDisk]
    ) throws(Refusal) -> AccountRecord.Instance {
        var instance = instance
        let id = instance.id
        try engine(about: .request) { try register.change { $0.creating.append(id) } }
        var made: [DiskSummary] = []
        do {
            for var disk in disks {
                disk.attributes[Attribute.madeWith] = id.text
                made.append(try create(disk))
            }
            if hooks != nil {
                for disk in made {
                    _ = try engine(about: .disk(disk.givenName ?? disk.id.text)) {
                        try store.attach(disk.id)
                    }
                }
            }
            instance.attachments = made.enumerated().map { index, disk in
                AccountRecord.Attachment(disk: disk.id, device: DeviceName.name(index + 1))
            }
            let finished = instance
            try engine(about: .request) {
                try register.change { record in
                    record.creating.removeAll { $0 == id }
                    record.instances.append(finished)
                }
            }
        } catch {
            try undo(id, made.map(\.id), error)
        }
        for disk in made {
            hooks?.didChange(.diskCreated(disk.id))
            if hooks != nil { hooks?.didChange(.diskAttached(disk.id)) }
        }
        announceInstances()
        return instance
    }

    /// Takes back what was made of an instance, then throws why.
    private func undo(_ id: InstanceID, _ disks: [DiskID], _ cause: Refusal) throws(Refusal) {
        var left: [String] = []
        for disk in disks {
            do {
                // Else the next mount may find the instance, and not its disks.
                try register.makeCertain()
                if store.attached(disk) != nil { try store.detach(disk) }
                try store.deleteDisk(disk)
            } catch {
                left.append("\(disk) (\(error))")
            }
        }
        if left.isEmpty { try? register.change { $0.creating.removeAll { $0 == id } } }
        guard !left.isEmpty else { throw cause }
        throw Refusal(
            cause,
            message: cause.message + " Of what was made, this is still there, and goes when the"
                + " store is opened next: \(left.joined(separator: ", ")).")
    }

    /// What an interruption left of instances that were being made or deleted. What fails stays
    /// noted, and is tried again at the next opening.
    func finishInterrupted() {
        // What another host is making or deleting at this moment is not interrupted.
        guard let turn = try? store.takeAccountTurn() else { return }
        defer { withExtendedLifetime(turn) {} }
        guard let record = try? register.record else { return }
        for id in record.creating {
            let disks = store.disks(withAttribute: Attribute.madeWith, id.text)
            let isDone = disks.allSatisfy { (try? store.deleteDisk($0.id)) != nil }
            if isDone { try? register.change { $0.creating.removeAll { $0 == id } } }
        }
        for instance in record.instances where instance.deleting != nil {
            try? finishDeleting(instance.id)
        }
    }

    // MARK: What is asked for

    private func disksToMake(_ arguments: Arguments) throws(Refusal) -> [NewDisk] {
        var disks: [NewDisk] = []
        if let image = try arguments.text("ImageId") {
            for member in try self.image(image).members {
                let snapshot = try snapshot(member.snapshot.text)
                if snapshot.summary.isEncrypted { try demandKeyService() }
                disks.append(
                    NewDisk(
                        attributes: [Attribute.category: DiskCategory.usual], size: nil,
                        isEncrypted: snapshot.summary.isEncrypted, snapshot: snapshot))
            }
        }
        for group in arguments.groups("DataDisk", renaming: ["Category": "DiskCategory"]) {
            disks.append(try newDisk(group))
        }
        guard disks.count <= Self.disksAtCreation else {
            throw Refusal(
                .instanceDiskLimit,
                "An instance is made with up to \(Self.disksAtCreation) data disks, not with"
                    + " \(disks.count).",
                recommend: "Create the others afterwards, and attach them: `AttachDisk`.")
        }
        let names = disks.compactMap { $0.attributes[Attribute.diskName] }
        guard Set(names).count == names.count else {
            throw .parameter(
                "DataDisk.n.DiskName", "Two of the disks have one name.",
                recommend: "Give each a name of its own, or none.")
        }
        return disks
    }

    /// Rule 3: a system disk is not encrypted. Here there is none at all.
    private func refuseSystemDisk(_ arguments: Arguments) throws(Refusal) {
        if try arguments.flag("SystemDisk.Encrypted") ?? false {
            throw Refusal(
                .categoryNotSupported, "System disks cannot be encrypted: only data disks can.",
                recommend: "Leave it out, and keep what is secret on a data disk:"
                    + " `DataDisk.1.Encrypted=true`.")
        }
    }

    func demandFree(instanceName name: String, but id: InstanceID? = nil) throws(Refusal) {
        guard ResourceName.isValidForInstance(name) else {
            throw .name("InstanceName", name)
        }
        let record = try engine(about: .request) { try register.record }
        guard let other = record.instances.first(where: { $0.name == name && $0.id != id })
        else { return }
        throw Refusal(
            .nameTaken, "Instance \(other.id) is called '\(name)' already.",
            recommend: "Choose another name.")
    }

    private func instanceCreated(
        with token: String, digest: String
    ) throws(Refusal) -> AccountRecord.Instance? {
        let record = try engine(about: .request) { try register.record }
        guard let made = record.instances.first(where: { $0.clientToken == token })
        else { return nil }
        guard made.clientRequest == digest else { throw .tokenMismatch(resource: made.id.text) }
        return made
    }
}
