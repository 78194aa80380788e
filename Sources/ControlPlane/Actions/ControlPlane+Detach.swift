import DiskEngine
import DiskFormat
import KeyManagement

extension ControlPlane {
    func detachDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let disk = try disk(try arguments.required("DiskId"))
        let places = places(of: disk.summary)
        let instance = try instanceToDetach(disk, places, arguments)
        try arguments.stopIfDryRun()
        // Also where it was closed and something went wrong.
        defer { announceInstances() }
        try detach(disk, from: instance)
        return [:]
    }

    /// Takes a disk off an instance; off the last one it is closed, and its key goes. Refused, and
    /// nothing is done, while somebody attaches it.
    func detach(_ disk: NamedDisk, from instance: InstanceID) throws(Refusal) {
        let id = disk.summary.id
        let done: Void? = try diskTurns.ifFree(id) { () throws(Refusal) in
            let disk = try self.disk(id.text)
            guard places(of: disk.summary).count <= 1 else { return try leave(instance, disk) }
            guard disk.summary.isAttached else {
                return try engine(about: .disk(disk.name)) {
                    try register.remove(id, from: instance)
                }
            }
            try whileNobodyUses(disk) { () throws(Refusal) in
                try close(disk, at: instance)
            } after: {
                hooks?.didChange(.diskDetached(id))
            }
        }
        if done == nil { throw Refusal.isChanging(disk) }
    }

    /// Takes a disk off an instance that is not its last. The KMS is told.
    private func leave(_ instance: InstanceID, _ disk: NamedDisk) throws(Refusal) {
        try engine(about: .disk(disk.name)) {
            try register.remove(disk.summary.id, from: instance)
            guard disk.summary.isEncrypted else { return }
            _ = try keys.describe(
                use: KeyUse(action: "DetachDisk", resource: disk.summary.id.text))
        }
    }

    /// Closes a disk and takes it off its last instance.
    private func close(_ disk: NamedDisk, at instance: InstanceID) throws(Refusal) {
        let id = disk.summary.id
        do throws(Refusal) {
            try engine(about: .disk(disk.name)) { try store.detach(id) }
        } catch {
            if store.attached(id) == nil { try? register.remove(id, from: instance) }
            throw error
        }
        do throws(Refusal) {
            try engine(about: .disk(disk.name)) { try register.remove(id, from: instance) }
        } catch {
            throw Refusal(
                error,
                message: "Disk '\(disk.name)' is closed and its key wiped, but it is still at"
                    + " \(instance): \(error.message)")
        }
    }

    private func instanceToDetach(
        _ disk: NamedDisk, _ places: [AccountRegister.Place], _ arguments: Arguments
    ) throws(Refusal) -> InstanceID {
        let named = try arguments.text("InstanceId").map { name throws(Refusal) in
            try instance(name).id
        }
        guard !places.isEmpty, places.contains(where: { named == nil || $0.instance == named })
        else {
            throw Refusal(
                .diskStatus,
                "Disk '\(disk.name)' is not attached\(named.map { " to \($0)" } ?? "").",
                recommend: "Nothing is left to do; `DescribeDisks` shows what is attached.")
        }
        guard named != nil || places.count == 1 else {
            throw Refusal(
                .missingParameter,
                "Disk '\(disk.name)' is attached to several instances:"
                    + " \(places.map(\.instance.text).joined(separator: ", ")).",
                parameter: "InstanceId", recommend: "Say which one: `InstanceId=…`.")
        }
        return named ?? places[0].instance
    }
}

extension Refusal {
    /// Somebody else has it in hand at this moment.
    static func isChanging(_ disk: NamedDisk) -> Refusal {
        Refusal(
            .diskStatus,
            "Disk '\(disk.name)' is just being attached or detached, or an instance of it made or"
                + " deleted.",
            recommend: "Repeat the request when that is done; `DescribeDisks` shows it.")
    }
}
