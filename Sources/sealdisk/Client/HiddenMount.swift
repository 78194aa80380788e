import ControlPlane
import Glibc
import LocalStore

/// A mount that is gone from here and whose daemon serves on: its file system is mounted in another
/// place still, as a rule in another mount namespace. The store's lock tells of it.
struct HiddenMount: Hashable {
    let store: String
    /// Where it was mounted, as its daemon says.
    let mountPoint: String
    let server: Int32

    /// Of a store's path; nil if no daemon has it, or if its mount is seen here.
    static func ofStore(_ store: String) -> HiddenMount? {
        guard let holder = LockHolder.current(ofStore: store),
            let mountPoint = MountedStore.mountPoint(ofHolder: holder.name),
            !MountedStore.all().contains(where: {
                $0.store == store && MountedStore.holderName($0.mountPoint) == holder.name
            })
        else { return nil }
        return HiddenMount(store: store, mountPoint: mountPoint, server: holder.process)
    }

    /// By what was said: the folder it was mounted on, or its store.
    static func at(_ path: String) -> HiddenMount? {
        if let store = try? StoreLocation.named(path), let found = ofStore(store) { return found }
        let places = MountPoint.candidates(path)
        return Set(MountCopy.all().map(\.mount.source)).lazy.compactMap(ofStore)
            .first { places.contains($0.mountPoint) }
    }

    /// Why it lives, and the way out.
    var refusal: Failure {
        let reasons = Self.keepers(of: store, server: server)
        let why =
            reasons.isEmpty
            ? "something that cannot be seen from here keeps it"
            : reasons.joined(separator: "; ")
        return Failure(
            .busy,
            "\(mountPoint) is not mounted here any more, but its daemon, process \(server),"
                + " serves on and has the store \(store): \(why).",
            advice: "End what keeps it, or end the daemon: sealdisk unmount --force \(store)")
    }

    /// What keeps a mount of the store alive, in words.
    private static func keepers(of store: String, server: Int32) -> [String] {
        let here = MountInfo.current().filter {
            $0.type == MountedStore.type && $0.source == store
        }
        let copies = MountCopy.all().filter { $0.mount.source == store && $0.process != server }
        var processes: [String] = []
        for copy in copies {
            let text = "process \(copy.process) (\(copy.command))"
            if !processes.contains(text) { processes.append(text) }
        }
        var reasons = here.map { "it is mounted at \($0.mountPoint) too" }
        if !processes.isEmpty {
            let named = processes.prefix(5).joined(separator: ", ")
            let more = processes.count > 5 ? " and \(processes.count - 5) more" : ""
            reasons.append("it is in the mount namespace of \(named)\(more)")
        }
        return reasons
    }
}
