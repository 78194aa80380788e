import ControlPlane
import Glibc

/// Folders that stores are mounted on.
enum MountPoint {
    /// The real path of a folder that a store can be mounted on: an existing folder, no dead mount,
    /// and not one of a store already.
    static func usable(_ path: String) throws(Failure) -> String {
        var status = stat()
        let error = stat(path, &status) == 0 ? 0 : errno
        guard error != ENOTCONN, !isDead(path) else {
            throw Failure(
                .busy, "At \(path) is a mount whose daemon is gone.",
                advice: "Take it away first: sealdisk unmount \(path)")
        }
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
        let resolved = try AbsolutePath.existing(path, as: "mount point")
        if let mount = MountedStore.all().first(where: { $0.mountPoint == resolved }) {
            throw Failure(
                .busy,
                "At \(resolved) the store \(mount.store ?? "of a mount that does not answer")"
                    + " is mounted already.",
                advice: "Use it, mount elsewhere, or unmount it: sealdisk unmount \(resolved)")
        }
        return resolved
    }

    /// Whether the daemon behind a mount of ours is gone. The folder itself does not tell: the
    /// kernel knows it by heart.
    static func isDead(_ path: String) -> Bool {
        let file = open(path + "/status.json", O_RDONLY | O_CLOEXEC)
        guard file < 0 else {
            close(file)
            return false
        }
        return errno == ENOTCONN || errno == ECONNABORTED
    }

    /// The path of a mount of ours as the kernel lists it; also of one that does not answer, whose
    /// path cannot be resolved any more.
    static func ofMount(_ path: String) throws(Failure) -> String {
        let points = MountInfo.current().filter { $0.type == MountedStore.type }.map(\.mountPoint)
        let candidates = [AbsolutePath.resolve(path), lexical(path)].compactMap { $0 }
        if let found = candidates.first(where: points.contains) { return found }
        let there = points.isEmpty ? "" : " Mounts are: \(points.joined(separator: ", "))."
        throw Failure(
            .notFound, "\(path) is not a mount of sealdisk.\(there)",
            advice: "Give the folder that the store is mounted on.")
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
