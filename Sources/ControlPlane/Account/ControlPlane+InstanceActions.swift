import DiskEngine
import DiskFormat
import KeyManagement

extension ControlPlane {
    /// Its disks are detached, and those that are to go with it are deleted.
    func deleteInstance(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let instance = try instance(try arguments.required("InstanceId"))
        guard instance.id != .local else {
            throw Refusal(
                .noPermission, "The host itself is an instance that is always there.",
                recommend: "To take its disks off, detach them: `DetachDisk`.")
        }
        let attached = instance.disks.compactMap { try? store.disk($0.disk) }
        let busy = attached.first {
            (hooks?.openHandles(of: $0.id) ?? 0) > 0 && places(of: $0).count <= 1
        }
        if let busy {
            throw Refusal(
                .diskOpen, withNames("Of instance '\(instance.name)', disk \(busy.id) is in use."),
                recommend: ErrorCode.diskOpen.usualRemedy)
        }
        try arguments.stopIfDryRun()
        // First of all: what is interrupted from here on is finished by the next opening.
        let going = try beginDeleting(instance.id)
        defer { announceInstances() }
        do throws(Refusal) {
            try closeAll(of: instance.id)
        } catch {
            try giveUpDeleting(instance, error)
        }
        do throws(Refusal) {
            try engine(about: .request) { try finishDeleting(instance.id) }
        } catch {
            throw Self.deletedInPart(instance, error)
        }
        var reply: JSONObject = [
            "DeletedDiskIds": .object(["DiskId": .array(going.map { .string($0.text) })])
        ]
        let ended = attached.filter { going.contains($0.id) }.lazy
            .map { self.shredded($0.lineage, wasEncrypted: $0.isEncrypted) }
        if let note = ended.first(where: { !$0.members.isEmpty }) { reply.append(note) }
        return reply
    }

    /// Notes that an instance is being deleted, and what goes with it: from then on no disk comes
    /// to it any more.
    private func beginDeleting(_ id: InstanceID) throws(Refusal) -> [DiskID] {
        try engine(about: .request) {
            try register.change { record in
                guard let index = record.index(of: id) else { return [] }
                let going = record.instances[index].attachments.map(\.disk).filter {
                    guard let disk = try? store.disk($0) else { return false }
                    return disk.has(Attribute.deleteWithInstance) && places(of: disk).count <= 1
                }
                record.instances[index].deleting = going
                return going
            }
        }
    }

    /// Closes what is at no other instance. Its place goes with the instance: until then nothing
    /// has changed that could not be repeated.
    private func closeAll(of id: InstanceID) throws(Refusal) {
        for attachment in register.attachments(of: id) {
            guard (try? store.disk(attachment.disk)) != nil else { continue }
            try close(try self.disk(attachment.disk.text), at: id)
        }
    }

    /// The instance stays as it was, but for disks that are closed already. Throws why.
    private func giveUpDeleting(_ instance: NamedInstance, _ cause: Refusal) throws(Refusal) {
        do {
            try register.change { record in
                guard let index = record.index(of: instance.id) else { return }
                record.instances[index].deleting = nil
            }
        } catch {
            throw Self.deletedInPart(instance, cause)
        }
        let closed = register.attachments(of: instance.id).map(\.disk)
            .filter { store.attached($0) == nil }
        guard !closed.isEmpty else { throw cause }
        throw Refusal(
            cause,
            message: withNames(
                "\(cause.message) Instance '\(instance.name)' is not deleted, but of its disks"
                    + " these are closed: \(closed.map { "disk \($0)" }.joined(separator: ", "))."))
    }

    private static func deletedInPart(_ instance: NamedInstance, _ cause: Refusal) -> Refusal {
        Refusal(
            cause,
            message: "\(cause.message) Instance '\(instance.name)' is being deleted all the same:"
                + " its disks are closed, and what is left of it goes when the request is repeated,"
                + " or the store opened next.")
    }

    /// Deletes what is to go with an instance, then the instance.
    func finishDeleting(_ id: InstanceID) throws {
        let record = try register.record
        guard let index = record.index(of: id) else { return }
        for disk in record.instances[index].deleting ?? [] where (try? store.disk(disk)) != nil {
            try delete(try self.disk(disk.text))
        }
        try register.change { $0.instances.removeAll { $0.id == id } }
    }

    func modifyInstance(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let instance = try instance(try arguments.required("InstanceId"))
        guard instance.id != .local else {
            throw Refusal(
                .noPermission, "The host itself is called '\(Self.localName)', always.",
                recommend: "Create an instance with a name of its own: `CreateInstance`.")
        }
        let name = try arguments.text("InstanceName")
        if let name { try demandFree(instanceName: name, but: instance.id) }
        let description = try arguments.description()
        try demandChange(arguments, ["InstanceName", "Description"])
        try arguments.stopIfDryRun()
        try engine(about: .request) {
            try register.change { record in
                guard let index = record.index(of: instance.id) else { return }
                if let name { record.instances[index].name = name }
                if let description { record.instances[index].description = description }
            }
        }
        announceInstances()
        return [:]
    }

    func describeInstances(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        var found = instances()
        if let name = try arguments.text("InstanceId") { found = [try instance(name)] }
        if let names = try arguments.list("InstanceIds") {
            found.removeAll { !names.contains($0.id.text) && !names.contains($0.name) }
        }
        if let pattern = try arguments.text("InstanceName") {
            found.removeAll { !Self.matches($0.name, pattern) }
        }
        let record = try engine(about: .request) { try register.record }
        return try page(found, arguments, list: "Instances", element: "Instance") { instance in
            let stored = record.instances.first { $0.id == instance.id }
            return [
                "InstanceId": .string(instance.id.text),
                "InstanceName": .string(instance.name),
                "Description": .string(stored?.description ?? ""),
                "RegionId": .string(store.identity.region),
                "Status": "Running",
                "CreationTime": .string(
                    "\(stored.map { Timestamp(seconds: $0.created) } ?? store.identity.created)"),
                "DataDisks": .object([
                    "DataDisk": .array(
                        instance.disks.map { device, disk in
                            .object([
                                "Device": .string(device), "DiskId": .string(disk.text),
                                "Open": .bool(store.attached(disk) != nil),
                            ])
                        })
                ]),
            ]
        }
    }
}
