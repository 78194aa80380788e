import ControlPlane
import Glibc

/// A store as one screen shows it: what its mount says, or what can be told without.
struct StoreState {
    enum Service: String, Sendable {
        case served, dead, silent
        /// Another user's mount is not looked into.
        case foreign
        /// No process has the store.
        case unmounted
    }

    let path: String
    let mountPoint: String?
    let process: Int32?
    let service: Service
    /// As DescribeStore says; nil where nobody answers.
    let description: JSON?
    let disks: [JSON]
    let snapshots: UInt64
    /// `status.json` of its mount.
    let mountStatus: JSON?

    /// All mounts of this host; and `path`, if that is not mounted.
    static func all(besides path: String?) -> [StoreState] {
        let mounts = MountedStore.all()
        var states = mounts.map { StoreState($0) }
        if let path, !mounts.contains(where: { $0.store == path }) {
            states.append(StoreState(unmounted: path))
        }
        return states
    }

    private init(_ mount: MountedStore) {
        path = mount.store
        mountPoint = mount.mountPoint
        process = mount.server
        guard mount.isTrusted else {
            (service, description, disks, snapshots, mountStatus) = (.foreign, nil, [], 0, nil)
            return
        }
        switch MountProbe.of(mount.mountPoint) {
        case .dead: service = .dead
        case .silent: service = .silent
        case .answers: service = .served
        }
        guard service == .served else {
            (description, disks, snapshots, mountStatus) = (nil, [], 0, nil)
            return
        }
        func ask(_ request: String) -> JSON? {
            (try? ControlFile.perform(request, at: mount.mountPoint))
                .flatMap { try? JSON(parsing: $0.utf8) }
        }
        description = ask("DescribeStore")?["Store"]
        disks = ask("DescribeDisks")?["Disks"]?["Disk"]?.array ?? []
        snapshots = ask("DescribeSnapshots MaxResults=1")?.count("TotalCount") ?? 0
        mountStatus = HostText.bytes(mount.mountPoint + "/status.json")
            .flatMap { try? JSON(parsing: $0) }
    }

    private init(unmounted path: String) {
        self.path = path
        (mountPoint, process, service, disks, snapshots, mountStatus) = (
            nil, nil, .unmounted, [], 0, nil
        )
        description = (try? storeIdentity(at: path)).map { identity in
            .object([
                "StoreId": .string(identity.storeID), "Account": .string(identity.account),
                "RegionId": .string(identity.region),
            ])
        }
    }

    /// Bytes of the medium, if they are known.
    var space: (total: UInt64, available: UInt64)? {
        guard let capacity = description?["Capacity"] else { return nil }
        return (capacity.count("TotalBytes"), capacity.count("AvailableBytes"))
    }

    /// What an operator should look at, in words.
    var warnings: [String] {
        let place = mountPoint ?? path
        let (store, point) = (ShellWord.text(path), ShellWord.text(place))
        switch service {
        case .dead:
            return [
                "the mount at \(place) is dead, its daemon is gone: sealdisk mount --recover"
                    + " \(store) \(point)"
            ]
        case .silent:
            return ["the mount at \(place) does not answer: sealdisk unmount --force \(point)"]
        case .unmounted where description == nil:
            return ["\(path) is no store that can be read: sealdisk check \(store)"]
        case .foreign, .unmounted: return []
        case .served: return warningsOfMount
        }
    }

    private var warningsOfMount: [String] {
        var warnings: [String] = []
        if let space, space.total > 0, space.available < space.total / 10 {
            warnings.append(
                "\(path) has \(ByteSize.text(space.available)) of"
                    + " \(ByteSize.text(space.total)) left: free some, or make it larger")
        }
        let engine = description?["Engine"]
        for member in engine?["damage"]?.members ?? [] {
            warnings.append("\(member.name) is damaged: \(member.value.string ?? "")")
        }
        if let error = engine?["reclaimError"]?.string {
            warnings.append("\(path): space is not given back: \(error)")
        }
        for disk in engine?["disks"]?.array ?? [] {
            let name = disks.first { $0.text("DiskId") == disk.text("id") }?.text("Name")
            for member in ["checkpointError", "failure"] {
                if let error = disk[member]?.string {
                    warnings.append("disk \(name ?? disk.text("id")): \(error)")
                }
            }
        }
        if let failure = mountStatus?["anchor"]?["failure"]?.string {
            warnings.append("\(path): the freshness anchor cannot be written: \(failure)")
        }
        return warnings
    }
}
