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
        try close(disk, at: instance) { disk throws(Refusal) in
            do throws(Refusal) {
                try engine(about: .disk(disk.name)) {
                    try register.remove(disk.summary.id, from: instance)
                }
            } catch {
                throw Refusal(
                    error,
                    message: "Disk '\(disk.name)' is at \(instance) still, if closed:"
                        + " \(error.message)")
            }
        }
    }

    /// Closes a disk if it is at no other instance, and tells the KMS in either case. `finish` is
    /// called when that is done, also if something could not be made durable, before anybody can
    /// open it again.
    func close(
        _ disk: NamedDisk, at instance: InstanceID,
        then finish: (NamedDisk) throws(Refusal) -> Void = { _ throws(Refusal) in }
    ) throws(Refusal) {
        let id = disk.summary.id
        let done: Void? = try diskTurns.ifFree(id) { () throws(Refusal) in
            let disk = try self.disk(id.text)
            guard places(of: disk.summary).count <= 1 else {
                try finish(disk)
                guard disk.summary.isEncrypted else { return }
                // As with the last instance: a service that is away keeps nobody.
                return try engine(about: .disk(disk.name)) {
                    do throws(KeyError) {
                        _ = try keys.describe(use: KeyUse(action: "DetachDisk", resource: id.text))
                    } catch {
                        guard error.code == .unavailable else { throw error }
                    }
                }
            }
            guard disk.summary.isAttached else { return try finish(disk) }
            try whileNobodyUses(disk, showing: .detaching) { () throws(Refusal) in
                do throws(Refusal) {
                    try engine(about: .disk(disk.name)) { try store.detach(id) }
                } catch {
                    guard store.attached(id) == nil else { throw error }
                    try? finish(disk)
                    throw error.afterDetaching
                }
                try finish(disk)
            } after: {
                hooks?.didChange(.diskDetached(id))
            }
        }
        if done == nil { throw Refusal.isChanging(disk) }
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
