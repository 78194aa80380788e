import DiskEngine
import DiskFormat
import KeyManagement

// Images: snapshots under one name. They hold nothing of their own, and keep their snapshots from
// being deleted. Those of encrypted snapshots never leave: rule 9.
extension ControlPlane {
    static let membersPerImage = 16

    func createImage(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let digest = try digest(of: arguments)
        let token = try arguments.clientToken()
        if let token, let made = try imageCreated(with: token, digest: digest) {
            return ["ImageId": .string(made)]
        }
        let name = try arguments.text("ImageName")
        if let name { try demandFree(imageName: name) }
        let members = try membersOfImage(arguments)
        let description = try arguments.description()
        try arguments.stopIfDryRun()
        var image = AccountRecord.Image(
            id: ImageID(random: try engine(about: .request) { try store.drawID() }), name: name,
            description: description, created: store.time, members: members)
        if let token { (image.clientToken, image.clientRequest) = (token, digest) }
        let made = image
        try engine(about: .request) { try register.change { $0.images.append(made) } }
        return ["ImageId": .string(made.id.text)]
    }

    func deleteImage(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let image = try image(try arguments.required("ImageId"))
        try arguments.stopIfDryRun()
        try engine(about: .request) {
            try register.change { $0.images.removeAll { $0.id == image.id } }
        }
        return [:]
    }

    func describeImages(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        var found = try engine(about: .request) { try register.record }.images
        if let name = try arguments.text("ImageId") { found = [try image(name)] }
        if let pattern = try arguments.text("ImageName") {
            found.removeAll { !Self.matches($0.name ?? "", pattern) }
        }
        if let name = try arguments.text("SnapshotId") {
            let id = try snapshot(name).summary.id
            found.removeAll { !$0.members.contains { $0.snapshot == id } }
        }
        return try page(found, arguments, list: "Images", element: "Image") { fields(of: $0) }
    }

    private func fields(of image: AccountRecord.Image) -> JSONObject {
        let members = image.members.map { ($0, try? store.snapshot($0.snapshot)) }
        return [
            "ImageId": .string(image.id.text),
            "ImageName": .string(image.name ?? ""),
            "Name": .string(image.name ?? image.id.text),
            "Description": .string(image.description ?? ""),
            "RegionId": .string(store.identity.region),
            "Status": "Available",
            "Encrypted": .bool(isEncrypted(image)),
            "IsShared": .bool(!image.sharedWith.isEmpty),
            "SharedAccounts": .array(image.sharedWith.map { .string($0) }),
            "CreationTime": .string("\(Timestamp(seconds: image.created))"),
            "DiskDeviceMappings": .object([
                "DiskDeviceMapping": .array(
                    members.map { member, snapshot in
                        .object([
                            "Device": .string(member.device),
                            "SnapshotId": .string(member.snapshot.text),
                            "SizeBytes": .integer(snapshot?.size ?? 0), "Type": "data",
                        ])
                    })
            ]),
        ]
    }

    // MARK: What leaves the account, region or store

    /// Rule 9. What a snapshot's lineage says is what counts, never the account's record. A member
    /// that cannot be looked at counts as encrypted.
    private func isEncrypted(_ image: AccountRecord.Image) -> Bool {
        image.members.contains { (try? store.snapshot($0.snapshot))?.isEncrypted ?? true }
    }

    private func demandPlain(_ image: AccountRecord.Image, to verb: String) throws(Refusal) {
        guard isEncrypted(image) else { return }
        throw Refusal(
            .encryptedImage,
            "Image '\(image.name ?? image.id.text)' was made from an encrypted snapshot, and such"
                + " images cannot be \(verb): their data key stays with this account and region.",
            recommend: "Copy the files instead, to a disk of the other side: sealdisk copy FROM TO."
                + " As ciphertext a snapshot may go anywhere: snapshots/NAME.sealed.")
    }

    func modifyImageShare(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let image = try image(try arguments.required("ImageId"))
        let (added, removed) = (
            arguments.numbered("AddAccount"), arguments.numbered("RemoveAccount")
        )
        guard !added.isEmpty || !removed.isEmpty else {
            throw Refusal(
                .missingParameter, "There is nobody to share the image with.",
                parameter: "AddAccount.1",
                recommend: "Give `AddAccount.1=…` or `RemoveAccount.1=…`.")
        }
        if !added.isEmpty { try demandPlain(image, to: "shared") }
        try arguments.stopIfDryRun()
        try engine(about: .request) {
            try register.change { record in
                guard let index = record.images.firstIndex(where: { $0.id == image.id }) else {
                    return
                }
                record.images[index].sharedWith.removeAll {
                    removed.contains($0) || added.contains($0)
                }
                record.images[index].sharedWith += added.filter { !removed.contains($0) }
            }
        }
        return [:]
    }

    /// A store is of one region: a copy in another goes by way of files, which the command line
    /// carries. Says what they are.
    func copyImage(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let image = try image(try arguments.required("ImageId"))
        try demandPlain(image, to: "copied to another region")
        try arguments.stopIfDryRun()
        return files(of: image, suffix: ".sealed")
    }

    /// The files from which an image is written elsewhere.
    func exportImage(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let image = try image(try arguments.required("ImageId"))
        try demandPlain(image, to: "exported")
        try arguments.stopIfDryRun()
        return files(of: image, suffix: "")
    }

    private func files(of image: AccountRecord.Image, suffix: String) -> JSONObject {
        [
            "ImageId": .string(image.id.text),
            "ImageName": .string(image.name ?? ""),
            "Files": .array(
                image.members.map { member in
                    let snapshot = try? snapshot(member.snapshot.text)
                    return .object([
                        "Path": .string("snapshots/\(member.snapshot)\(suffix)"),
                        "SnapshotId": .string(member.snapshot.text),
                        "SnapshotName": .string(snapshot?.summary.givenName ?? ""),
                        "Device": .string(member.device),
                        "SizeBytes": .integer(snapshot?.summary.size ?? 0),
                    ])
                }),
        ]
    }

    // MARK: Names and members

    /// The image of that id or name.
    func image(_ name: String) throws(Refusal) -> AccountRecord.Image {
        let images = try engine(about: .request) { try register.record }.images
        if let one = images.first(where: { $0.id.text == name })
            ?? images.first(where: { $0.name == name })
        {
            return one
        }
        throw Refusal(
            .imageNotFound, "There is no image '\(name)' in this store.",
            recommend: Suggestion.nearest(to: name, among: images.map { $0.name ?? $0.id.text })
                .map { "Did you mean \($0)?" } ?? "See which there are: `DescribeImages`.")
    }

    private func membersOfImage(
        _ arguments: Arguments
    ) throws(Refusal) -> [AccountRecord.Image.Member] {
        var names: [String] = []
        for group in arguments.groups("DiskDeviceMapping") {
            names.append(try group.required("SnapshotId"))
        }
        if let name = try arguments.text("SnapshotId") { names.insert(name, at: 0) }
        guard !names.isEmpty else {
            throw Refusal(
                .missingParameter, "An image is made from snapshots.", parameter: "SnapshotId",
                recommend: "Give `SnapshotId=…`, or several: `DiskDeviceMapping.1.SnapshotId=…`.")
        }
        guard names.count <= Self.membersPerImage else {
            throw Refusal(
                .limit, "An image has up to \(Self.membersPerImage) snapshots.",
                recommend: "Make several images.")
        }
        var snapshots: [SnapshotID] = []
        for name in names { snapshots.append(try snapshot(name).summary.id) }
        guard Set(snapshots).count == snapshots.count else {
            throw .parameter(
                "SnapshotId", "One snapshot is given twice.", recommend: "Give each once.")
        }
        return snapshots.enumerated().map {
            AccountRecord.Image.Member(snapshot: $1, device: DeviceName.name($0 + 1))
        }
    }

    private func demandFree(imageName name: String) throws(Refusal) {
        guard ResourceName.isValidForOther(name) else { throw .name("ImageName", name) }
        let images = try engine(about: .request) { try register.record }.images
        guard let other = images.first(where: { $0.name == name }) else { return }
        throw Refusal(
            .nameTaken, "Image \(other.id) is called '\(name)' already.",
            recommend: "Choose another name.")
    }

    private func imageCreated(with token: String, digest: String) throws(Refusal) -> String? {
        let images = try engine(about: .request) { try register.record }.images
        guard let made = images.first(where: { $0.clientToken == token }) else { return nil }
        guard made.clientRequest == digest else { throw .tokenMismatch(resource: made.id.text) }
        return made.id.text
    }

    /// A snapshot that an image needs stays.
    func demandInNoImage(_ snapshot: NamedSnapshot) throws(Refusal) {
        let images = register.shown.images
        guard
            let image = images.first(where: { image in
                image.members.contains { $0.snapshot == snapshot.summary.id }
            })
        else { return }
        throw Refusal(
            .snapshotInUse,
            "Image '\(image.name ?? image.id.text)' is made of snapshot '\(snapshot.name)'.",
            recommend: "Delete the image first: `DeleteImage ImageId=\(image.id)`.")
    }
}
