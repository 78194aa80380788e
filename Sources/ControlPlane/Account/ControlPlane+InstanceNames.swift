import DiskEngine
import DiskFormat

/// An instance and the name it goes by: its own where no other has it, else its id.
public struct NamedInstance: Sendable, Hashable {
    public let name: String
    public let id: InstanceID
    /// Disks by device name.
    public let disks: [(device: String, disk: DiskID)]

    public static func == (a: Self, b: Self) -> Bool {
        a.id == b.id && a.name == b.name && a.disks.elementsEqual(b.disks) { $0 == $1 }
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

extension ControlPlane {
    /// The name of the host itself among instances.
    static let localName = "local"

    /// All instances under the names that the mount shows, the host first.
    public func instances() -> [NamedInstance] {
        let record = register.shown
        let names = [Self.localName] + record.instances.map { $0.shownName }
        var uses: [String: Int] = [:]
        for name in names { uses[name, default: 0] += 1 }
        return zip([.local] + record.instances.map(\.id), names).map { id, name in
            NamedInstance(
                name: uses[name] == 1 ? name : id.text, id: id,
                disks: register.attachments(of: id).filter { DeviceName.isValid($0.device) }
                    .map { ($0.device, $0.disk) })
        }
    }

    /// The instance of that id or unique name.
    func instance(_ name: String) throws(Refusal) -> NamedInstance {
        let all = instances()
        // The host itself is there whatever becomes of the record.
        if name == InstanceID.local.text, let local = all.first { return local }
        _ = try engine(about: .request) { try register.record }
        if let one = all.first(where: { $0.id.text == name || $0.name == name }) { return one }
        throw Refusal(
            .instanceNotFound, "There is no instance '\(name)' here.",
            recommend: Suggestion.nearest(to: name, among: all.map(\.name))
                .map { "Did you mean \($0)?" }
                ?? "See which there are (`DescribeInstances`), or leave InstanceId out for the"
                + " host itself.")
    }

    /// Tells the mounted tree which disks are where.
    func announceInstances() { hooks?.didChange(.instancesChanged(instances())) }

    /// Where a disk is: one that is attached without a word of an instance is at the host.
    func places(of disk: DiskSummary) -> [AccountRegister.Place] {
        let places = register.places(of: disk.id)
        guard places.isEmpty, disk.isAttached else { return places }
        return [AccountRegister.Place(instance: .local, device: "")]
    }

    func name(of instance: InstanceID) -> String {
        instances().first { $0.id == instance }?.name ?? instance.text
    }
}

extension AccountRecord.Instance {
    /// A name that can stand in the mount: a stored record may hold anything.
    var shownName: String {
        name.flatMap { ResourceName.isValidForInstance($0) ? $0 : nil } ?? id.text
    }
}
