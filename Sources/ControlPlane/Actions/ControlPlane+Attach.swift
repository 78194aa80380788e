import DiskEngine
import DiskFormat
import KeyManagement

extension ControlPlane {
    func attachDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let disk = try disk(try diskToAttach(arguments))
        let instance = try instanceToAttach(disk, arguments)
        if let encrypted = try arguments.flag("Encrypted") {
            try demand(encrypted, of: disk)
        }
        guard hooks != nil else {
            throw Refusal(
                .notMounted,
                "Disk '\(disk.name)' can be attached only where the store is mounted: its file is"
                    + " in the mount.",
                recommend: ErrorCode.notMounted.usualRemedy)
        }
        let accepts = try arguments.flag("AcceptRollback") ?? false
        let places = places(of: disk.summary)
        if let place = places.first(where: { $0.instance == instance.id }) {
            try open(disk, again: place, at: instance, arguments, acceptingRollback: accepts)
            return Self.fields(of: place)
        }
        try arguments.stopIfDryRun()
        guard
            let place = register.reserve(
                disk.summary.id, at: instance.id, limit: disk.summary.instanceLimit)
        else { throw noRoom(for: disk, at: instance, places) }
        do {
            try showing(.attaching, disk.summary.id) { () throws(Refusal) in
                try open(disk, acceptingRollback: accepts)
                try engine(about: .disk(disk.name)) { try register.settle(disk.summary.id, place) }
            }
        } catch {
            register.giveUp(disk.summary.id, place)
            throw error
        }
        announce(.diskAttached(disk.summary.id))
        announceInstances()
        return Self.fields(of: place)
    }

    private static func fields(of place: AccountRegister.Place) -> JSONObject {
        ["InstanceId": .string(place.instance.text), "Device": .string(place.device)]
    }

    /// A disk that is at the instance already: its file is opened again if a mount has ended since.
    private func open(
        _ disk: NamedDisk, again place: AccountRegister.Place, at instance: NamedInstance,
        _ arguments: Arguments, acceptingRollback: Bool
    ) throws(Refusal) {
        guard !disk.summary.isAttached else {
            throw Refusal(
                .diskStatus,
                "Disk '\(disk.name)' is attached to \(place.instance) already.",
                recommend: "Use it as it is, or detach it: `DetachDisk DiskId=\(disk.name)`.")
        }
        try arguments.stopIfDryRun()
        try showing(.attaching, disk.summary.id) { () throws(Refusal) in
            try open(disk, acceptingRollback: acceptingRollback)
        }
        announce(.diskAttached(disk.summary.id))
    }

    /// Brings the key into memory and recovers the disk. Where that was done for another instance,
    /// the KMS is told of this one.
    private func open(_ disk: NamedDisk, acceptingRollback: Bool) throws(Refusal) {
        let id = disk.summary.id
        try engine(about: .disk(disk.name)) {
            if store.attached(id) != nil {
                guard disk.summary.isEncrypted else { return }
                _ = try keys.describe(use: KeyUse(action: "AttachDisk", resource: id.text))
            } else {
                try store.attach(id, acceptingRollback: acceptingRollback)
            }
        }
    }

    /// Rule 10.
    private func noRoom(
        for disk: NamedDisk, at instance: NamedInstance, _ places: [AccountRegister.Place]
    ) -> Refusal {
        let holders = places.map(\.instance.text).joined(separator: ", ")
        let limit = disk.summary.instanceLimit
        return Refusal(
            .diskStatus,
            "Disk '\(disk.name)' is attached to \(holders.isEmpty ? "an instance" : holders), and a"
                + " disk of its category is attached to \(limit == 1 ? "one" : "up to \(limit)")"
                + " at a time.",
            recommend: "Detach it first: `DetachDisk DiskId=\(disk.name)`. For several instances,"
                + " create shared block storage: `CreateDisk DiskCategory=san_ssd`.")
    }

    func detachDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let disk = try disk(try arguments.required("DiskId"))
        let places = places(of: disk.summary)
        let instance = try instanceToDetach(disk, places, arguments)
        try arguments.stopIfDryRun()
        try detach(disk, from: instance, isLast: places.count <= 1)
        announceInstances()
        return [:]
    }

    /// Takes a disk off an instance; off the last one it is closed, and its key goes.
    func detach(_ disk: NamedDisk, from instance: InstanceID, isLast: Bool) throws(Refusal) {
        let id = disk.summary.id
        guard isLast else {
            try engine(about: .disk(disk.name)) {
                try register.remove(id, from: instance)
                guard disk.summary.isEncrypted else { return }
                _ = try keys.describe(use: KeyUse(action: "DetachDisk", resource: id.text))
            }
            return
        }
        guard disk.summary.isAttached else {
            return try engine(about: .disk(disk.name)) { try register.remove(id, from: instance) }
        }
        try whileNobodyUses(disk, showing: .detaching) { () throws(Refusal) in
            try engine(about: .disk(disk.name)) {
                defer { if store.attached(id) == nil { try? register.remove(id, from: instance) } }
                try store.detach(id)
            }
        } after: {
            hooks?.didChange(.diskDetached(id))
        }
    }

    private func instanceToAttach(
        _ disk: NamedDisk, _ arguments: Arguments
    ) throws(Refusal) -> NamedInstance {
        if let name = try arguments.text("InstanceId") { return try instance(name) }
        let places = register.places(of: disk.summary.id)
        // After a mount has ended it comes back to where it was.
        if !disk.summary.isAttached, places.count == 1 {
            return try instance(places[0].instance.text)
        }
        return try instance(InstanceID.local.text)
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

    private func diskToAttach(_ arguments: Arguments) throws(Refusal) -> String {
        let (id, name) = (try arguments.text("DiskId"), try arguments.text("DiskName"))
        switch (id, name) {
        case (let id?, nil): return id
        case (nil, let name?): return name
        case (nil, nil): return try arguments.required("DiskId")
        case (.some, .some):
            throw .parameter(
                "DiskName", "DiskId and DiskName both name a disk.", recommend: "Give one of them.")
        }
    }

    /// `Encrypted=true` is a demand: a store that was tampered with must not slip a plain disk in.
    private func demand(_ encrypted: Bool, of disk: NamedDisk) throws(Refusal) {
        guard disk.summary.isEncrypted != encrypted else { return }
        let (asked, found) = encrypted ? ("encrypted", "plain") : ("plain", "encrypted")
        throw .parameter(
            "Encrypted", "Disk '\(disk.name)' is \(found), and the request demands \(asked).",
            recommend: encrypted
                ? "If it was created encrypted, the store was changed: check it. Otherwise attach"
                    + " it without `Encrypted=true`."
                : "Attach it without `Encrypted=false`.")
    }
}

extension DiskSummary {
    /// Instances that it may be attached to at a time: an ordinary disk to one, shared block
    /// storage to 16.
    var instanceLimit: Int {
        DiskCategory.of(attributes).isShared ? 16 : 1
    }
}
