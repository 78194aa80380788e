import ControlPlane
import Glibc

/// Folders that stores are mounted on.
enum MountPoint {
    /// The real path of a folder that a store can be mounted on: an existing folder, and no mount
    /// of ours. Those are found in the kernel's list: to look at one could block.
    static func usable(_ path: String) throws(Failure) -> String {
        if let mount = mount(at: path) { throw taken(mount) }
        var status = stat()
        let error = stat(path, &status) == 0 ? 0 : errno
        guard error == 0 else {
            throw Failure(
                error == ENOENT ? .notFound : .denied,
                "The mount point \(path) cannot be used: \(String(cString: strerror(error))).",
                advice: "Make the folder first: mkdir -p \(path)")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure(
                .invalid, "The mount point \(path) is not a folder.",
                advice: "Give a folder, or make one.")
        }
        return try AbsolutePath.existing(path, as: "mount point")
    }

    private static func taken(_ mount: MountedStore) -> Failure {
        let point = mount.mountPoint
        if mount.isTrusted, mount.server == nil, MountProbe.of(point) == .dead {
            return Failure(
                .busy, "At \(point) is a mount whose daemon is gone.",
                advice: "Take it away first: sealdisk unmount \(ShellWord.text(point))")
        }
        return Failure(
            .busy, "At \(point) the store \(mount.store) is mounted already.",
            advice:
                "Use it, mount elsewhere, or unmount it: sealdisk unmount \(ShellWord.text(point))")
    }

    /// The mount of ours at a path, none looked into.
    static func mount(at path: String) -> MountedStore? {
        let mounts = MountedStore.all()
        for candidate in candidates(path) {
            if let found = mounts.first(where: { $0.mountPoint == candidate }) { return found }
        }
        return nil
    }

    /// What the kernel's list may call a path.
    static func candidates(_ path: String) -> [String] {
        [lexical(path), AbsolutePath.resolve(path)].compactMap { $0 }
    }

    /// The path that a mount of ours has in the kernel's list, else the real path of the folder.
    static func named(_ path: String) throws(Failure) -> String {
        if let mount = mount(at: path) { return mount.mountPoint }
        return try AbsolutePath.existing(path, as: "mount point")
    }

    /// The mount of ours that is meant by its place or its store; also one that does not answer,
    /// whose path cannot be resolved any more. Throws if there is none.
    static func ofMount(_ path: String) throws(Failure) -> MountedStore {
        if let mount = mount(at: path) { return mount }
        if let mount = StoreLocation.mount(named: path) { return mount }
        let points = MountedStore.all().map(\.mountPoint)
        let there = points.isEmpty ? "" : " Mounts are: \(points.joined(separator: ", "))."
        throw Failure(
            .notFound, "\(path) is not a mount of sealdisk.\(there)",
            advice: "Give the folder that the store is mounted on, or the store.")
    }

    /// The parent resolved and the last component kept: what is mounted there need not answer.
    private static func lexical(_ path: String) -> String? {
        var trimmed = path[...]
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        guard let slash = trimmed.lastIndex(of: "/") else {
            return AbsolutePath.resolve(".").map { "\($0)/\(trimmed)" }
        }
        let name = trimmed[trimmed.index(after: slash)...]
        let parent = slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
        return AbsolutePath.resolve(parent).map { $0 == "/" ? "/\(name)" : "\($0)/\(name)" }
    }
}
