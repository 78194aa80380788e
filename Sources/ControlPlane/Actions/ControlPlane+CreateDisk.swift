import CryptoPrimitives
import DiskEngine
import DiskFormat

/// A disk to be made, of which everything was checked that can be known before.
struct NewDisk {
    var attributes: [String: String]
    /// Bytes; nil: the snapshot's.
    let size: UInt64?
    let isEncrypted: Bool
    let snapshot: NamedSnapshot?
}

extension ControlPlane {
    func createDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let digest = try digest(of: arguments)
        if let token = try arguments.clientToken(),
            let id = try diskCreated(with: token, digest: digest)
        {
            return ["DiskId": .string(id)]
        }
        var disk = try newDisk(arguments)
        disk.attributes[Attribute.clientToken] = try arguments.clientToken()
        if try arguments.clientToken() != nil { disk.attributes[Attribute.clientRequest] = digest }
        try arguments.stopIfDryRun()
        let made = try create(disk)
        hooks?.didChange(.diskCreated(made.id))
        return ["DiskId": .string(made.id.text)]
    }

    /// The disk that the parameters describe, checked against every rule.
    func newDisk(_ arguments: Arguments) throws(Refusal) -> NewDisk {
        let encrypted = try arguments.flag("Encrypted")
        let attributes = try diskAttributes(arguments, encrypted: encrypted)
        let size = try arguments.size("Size")
        guard let name = try arguments.text("SnapshotId") else {
            guard let size else {
                throw Refusal(
                    .missingParameter, "A blank disk needs a size.",
                    parameter: arguments.name(of: "Size"),
                    recommend: "Add `Size=20` (GiB), or `SnapshotId=…` for a disk from a snapshot.")
            }
            try Self.check(size, arguments)
            if encrypted ?? false { try demandKeyService() }
            try checkKey(arguments, isEncrypted: encrypted ?? false)
            return NewDisk(
                attributes: attributes, size: size, isEncrypted: encrypted ?? false, snapshot: nil)
        }
        let snapshot = try self.snapshot(name)
        let source = snapshot.summary
        if let encrypted, encrypted != source.isEncrypted {
            throw .conversion(ofSnapshot: snapshot.name, isEncrypted: source.isEncrypted)
        }
        if let size, size < source.size {
            throw Refusal(
                .sizeTooSmall,
                "A disk from snapshot '\(snapshot.name)' is at least"
                    + " \(ByteSize.text(source.size)) (\(source.size) bytes) large.",
                recommend: "Leave `Size` out to take the snapshot's, or give a larger one.")
        }
        try Self.check(size ?? source.size, arguments)
        if source.isEncrypted { try demandKeyService() }
        try checkKey(arguments, isEncrypted: source.isEncrypted, snapshot: snapshot)
        return NewDisk(
            attributes: attributes, size: size, isEncrypted: source.isEncrypted, snapshot: snapshot)
    }

    func create(_ disk: NewDisk) throws(Refusal) -> DiskSummary {
        if let snapshot = disk.snapshot {
            return try engine(about: .snapshot(snapshot.name)) {
                try store.createDisk(
                    from: snapshot.summary.id, size: disk.size, attributes: disk.attributes)
            }
        }
        return try engine(about: .store) {
            // Of a blank disk the size is known: `newDisk` has seen to it.
            try store.createDisk(
                encrypted: disk.isEncrypted, size: disk.size ?? 0, attributes: disk.attributes)
        }
    }

    /// Who names a category gets a disk of a size that it has; who names none, of any.
    private static func check(_ size: UInt64, _ arguments: Arguments) throws(Refusal) {
        guard let name = try arguments.text("DiskCategory"),
            let category = DiskCategory.named(name)
        else { return }
        try category.check(size)
    }

    /// Rule 7: the KMS is activated before anything is encrypted.
    func demandKeyService() throws(Refusal) {
        let isActivated = try engine(about: .request) { try keys.isActivated }
        guard isActivated else {
            throw Refusal(
                .kmsNotEnabled, "Encrypted disks need the KMS, which is not activated.",
                recommend: ErrorCode.kmsNotEnabled.usualRemedy)
        }
    }

    private func diskAttributes(
        _ arguments: Arguments, encrypted: Bool?
    ) throws(Refusal) -> [String: String] {
        var attributes: [String: String] = [:]
        let category = try arguments.text("DiskCategory") ?? DiskCategory.usual
        try Self.check(category: category, encrypted: encrypted ?? false)
        attributes[Attribute.category] = category
        try Self.check(type: try arguments.text("DiskType") ?? "data", encrypted: encrypted)
        if let name = try arguments.text("DiskName") {
            guard ResourceName.isValidForDisk(name) else { throw .name("DiskName", name) }
            try demandFree(diskName: name)
            attributes[Attribute.diskName] = name
        }
        attributes[Attribute.description] = try arguments.description()
        for (parameter, attribute) in Attribute.flags {
            if let flag = try arguments.flag(parameter) { attributes[attribute] = "\(flag)" }
        }
        return attributes
    }

    /// Rule 3: encryption is for data disks of the cloud and shared categories.
    private static func check(category: String, encrypted: Bool) throws(Refusal) {
        let supported = DiskCategory.all.map(\.name)
        let recommend = "Use one of \(supported.joined(separator: ", "))."
        if DiskCategory.isLocal(category) {
            throw Refusal(
                .categoryNotSupported,
                encrypted
                    ? "Local disks (\(category)) cannot be encrypted."
                    : "Local disks (\(category)) come with an instance and are not created.",
                recommend: recommend)
        }
        guard supported.contains(category) else {
            throw .parameter(
                "DiskCategory", "There is no disk category '\(category)'.", recommend: recommend)
        }
    }

    private static func check(type: String, encrypted: Bool?) throws(Refusal) {
        let recommend = "Leave DiskType out, or write `DiskType=data`."
        switch type {
        case "data": return
        case "system" where encrypted == true:
            throw Refusal(
                .categoryNotSupported, "System disks cannot be encrypted.", recommend: recommend)
        default:
            throw .parameter(
                "DiskType", "Only data disks are created, not '\(type)'.", recommend: recommend)
        }
    }

    private func diskCreated(with token: String, digest: String) throws(Refusal) -> String? {
        guard let disk = store.disks(withAttribute: Attribute.clientToken, token).first
        else { return nil }
        guard disk.attributes[Attribute.clientRequest] == digest else {
            throw .tokenMismatch(resource: disk.id.text)
        }
        return disk.id.text
    }

    /// What tells two requests with one client token apart.
    func digest(of arguments: Arguments) throws(Refusal) -> String {
        try engine(about: .request) {
            Hex.text(try SHA256.hash(Array(arguments.canonical.utf8)))
        }
    }
}

extension Refusal {
    /// Rule 2: nothing is ever converted between encrypted and plain.
    static func conversion(ofSnapshot name: String, isEncrypted: Bool) -> Refusal {
        let (from, to) = isEncrypted ? ("encrypted", "plain") : ("plain", "encrypted")
        return .parameter(
            "Encrypted",
            "Snapshot '\(name)' is \(from), so a disk from it is \(from); disks, snapshots and"
                + " images are never converted.",
            recommend: "Create a blank \(to) disk and copy the files: sealdisk copy FROM TO --mkfs"
                + " ext4; or mount both and run rsync -aHAXS FROM/ TO/")
    }

    static func name(_ parameter: String, _ name: String) -> Refusal {
        .parameter(
            parameter, "'\(name)' cannot be a name here: it becomes a file name.",
            recommend: "Use 1 to 128 letters, digits, '.', '_', ':' and '-', beginning with a"
                + " letter or digit; not the form of an id, nor (snapshots) .json or .sealed at"
                + " the end.")
    }

    static func tokenMismatch(resource: String) -> Refusal {
        Refusal(
            .tokenMismatch,
            "This ClientToken came before with other parameters, and made \(resource).",
            recommend: "Use a new ClientToken for a new request.")
    }
}
