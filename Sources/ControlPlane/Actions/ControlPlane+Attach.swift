import DiskEngine
import DiskFormat

/// The machine this runs on, as an instance of the cloud.
public enum Instance {
    public static let local = "i-local"
}

extension ControlPlane {
    func attachDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        try checkInstance(arguments)
        let disk = try disk(try diskToAttach(arguments))
        let id = disk.summary.id
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
        // Rule 10. Shared block storage may be attached to more instances; here there is one.
        guard !disk.summary.isAttached else {
            throw Refusal(
                .diskStatus, "Disk '\(disk.name)' is attached to \(Instance.local) already.",
                recommend: "Use it as it is, or detach it: `DetachDisk DiskId=\(disk.name)`.")
        }
        let accepts = try arguments.flag("AcceptRollback") ?? false
        _ = try engine(about: .disk(disk.name)) {
            try store.attach(id, acceptingRollback: accepts)
        }
        announce(.diskAttached(id))
        return [:]
    }

    func detachDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        try checkInstance(arguments)
        let disk = try disk(try arguments.required("DiskId"))
        let id = disk.summary.id
        guard disk.summary.isAttached else {
            throw Refusal(
                .diskStatus, "Disk '\(disk.name)' is not attached.",
                recommend: "Nothing is left to do; `DescribeDisks` shows what is attached.")
        }
        try whileNobodyUses(disk) { () throws(Refusal) in
            try engine(about: .disk(disk.name)) { try store.detach(id) }
        } after: {
            hooks?.didChange(.diskDetached(id))
        }
        return [:]
    }

    private func checkInstance(_ arguments: Arguments) throws(Refusal) {
        guard let instance = try arguments.text("InstanceId"), instance != Instance.local else {
            return
        }
        throw Refusal(
            .instanceNotFound, "There is no instance '\(instance)' here.",
            recommend: "Leave InstanceId out, or write `InstanceId=\(Instance.local)`.")
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
