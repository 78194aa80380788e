import DiskEngine
import DiskFormat
import KeyManagement

/// In spite of what a disk is opened.
struct OpenOptions {
    /// That it is older than the store's anchor knows it.
    let acceptsRollback: Bool
    /// That another host works with it, from which it is taken.
    let isFencing: Bool
}

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
        let options = OpenOptions(
            acceptsRollback: try arguments.flag("AcceptRollback") ?? false,
            isFencing: try arguments.flag("Fence") ?? false)
        try demandRoom(for: disk, at: instance)
        try arguments.stopIfDryRun()
        let id = disk.summary.id
        let place = try diskTurns.wait(for: id) { () throws(Refusal) -> AccountRegister.Place in
            // It may have changed while this waited.
            let disk = try self.disk(id.text)
            return try showing(.attaching, id) { () throws(Refusal) in
                try attach(disk, at: instance, options)
            }
        }
        announce(.diskAttached(id))
        announceInstances()
        return Self.fields(of: place)
    }

    /// Opens a disk at an instance: at its place there, if a mount has ended since it came to it,
    /// or at a new one.
    private func attach(
        _ disk: NamedDisk, at instance: NamedInstance, _ options: OpenOptions
    ) throws(Refusal) -> AccountRegister.Place {
        let id = disk.summary.id
        try demandRoom(for: disk, at: instance)
        if let place = places(of: disk.summary).first(where: { $0.instance == instance.id }) {
            guard !register.isDeleting(instance.id) else { throw .isChanging(disk) }
            try open(disk, options)
            return place
        }
        let place = try reserve(disk, at: instance)
        do {
            try open(disk, options)
        } catch {
            register.giveUp(id, place)
            throw error
        }
        do throws(Refusal) {
            try engine(about: .disk(disk.name)) { try register.settle(id, place) }
        } catch {
            if !disk.summary.isAttached { try? store.detach(id) }
            throw error
        }
        return place
    }

    private func reserve(
        _ disk: NamedDisk, at instance: NamedInstance
    ) throws(Refusal) -> AccountRegister.Place {
        do {
            return try register.reserve(
                disk.summary.id, madeWith: disk.summary.attributes[Attribute.madeWith],
                at: instance.id, limit: disk.summary.instanceLimit)
        } catch {
            switch error {
            case .taken: throw noRoom(for: disk, at: instance, places(of: disk.summary))
            case .full:
                throw Refusal(
                    .instanceDiskLimit,
                    "Instance '\(instance.name)' has \(Self.disksPerInstance) disks, which is as"
                        + " many as one may have.",
                    recommend: "Detach one of them first: `DetachDisk`.")
            case .changing: throw .isChanging(disk)
            }
        }
    }

    /// What can be told without waiting for anybody.
    private func demandRoom(for disk: NamedDisk, at instance: NamedInstance) throws(Refusal) {
        let places = places(of: disk.summary)
        if let place = places.first(where: { $0.instance == instance.id }) {
            guard disk.summary.isAttached else { return }
            throw Refusal(
                .diskStatus, "Disk '\(disk.name)' is attached to \(place.instance) already.",
                recommend: "Use it as it is, or detach it: `DetachDisk DiskId=\(disk.name)`.")
        }
        guard places.count < disk.summary.instanceLimit else {
            throw noRoom(for: disk, at: instance, places)
        }
    }

    private static func fields(of place: AccountRegister.Place) -> JSONObject {
        ["InstanceId": .string(place.instance.text), "Device": .string(place.device)]
    }

    /// Brings the key into memory and recovers the disk. Where that was done for another instance,
    /// the KMS is told of this one.
    private func open(_ disk: NamedDisk, _ options: OpenOptions) throws(Refusal) {
        let id = disk.summary.id
        try engine(about: .disk(disk.name)) {
            if store.attached(id) != nil {
                guard disk.summary.isEncrypted else { return }
                _ = try keys.describe(use: KeyUse(action: "AttachDisk", resource: id.text))
            } else {
                try store.attach(
                    id, acceptingRollback: options.acceptsRollback, isFencing: options.isFencing)
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
