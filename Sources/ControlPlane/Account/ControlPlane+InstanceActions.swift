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
        let busy = attached.first { (hooks?.openHandles(of: $0.id) ?? 0) > 0 }
        if let busy, places(of: busy).count <= 1 {
            throw Refusal(
                .diskOpen, withNames("Of instance '\(instance.name)', disk \(busy.id) is in use."),
                recommend: ErrorCode.diskOpen.usualRemedy)
        }
        let going = attached.filter {
            $0.attributes[Attribute.deleteWithInstance] == "true" && places(of: $0).count <= 1
        }.map(\.id)
        try arguments.stopIfDryRun()
        // First of all: what is interrupted from here on is finished by the next opening.
        try set(going, ofInstance: instance.id)
        do {
            for disk in attached {
                let isLast = places(of: disk).count <= 1
                try detach(try self.disk(disk.id.text), from: instance.id, isLast: isLast)
            }
        } catch {
            try? set(nil, ofInstance: instance.id)
            announceInstances()
            throw error
        }
        try engine(about: .request) { try finishDeleting(instance.id) }
        for disk in going { hooks?.didChange(.diskDeleted(disk)) }
        announceInstances()
        return ["DeletedDiskIds": .object(["DiskId": .array(going.map { .string($0.text) })])]
    }

    /// Notes that an instance is being deleted, and what goes with it.
    private func set(_ going: [DiskID]?, ofInstance id: InstanceID) throws(Refusal) {
        try engine(about: .request) {
            try register.change { record in
                guard let index = record.index(of: id) else { return }
                record.instances[index].deleting = going
            }
        }
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
