import ControlPlane

/// Where a request goes: through a mount's `control` file if the store is mounted, else to the
/// store itself, opened for this one action.
enum Door: Hashable, Sendable {
    case mount(MountedStore)
    case store(path: String)

    /// Chooses by what was said: `mount` (a mount point) and `store` (a store's path), both or
    /// neither. With neither, the only mount there is.
    static func choose(
        mount: String?, store: String?, among mounts: [MountedStore],
        isServed: (MountedStore) -> Bool = { $0.server != nil }
    ) throws(Failure) -> Door {
        if let mount { return .mount(try named(mount, store: store, among: mounts)) }
        if let store {
            guard let found = mounts.first(where: { $0.store == store }) else {
                return .store(path: store)
            }
            guard found.isTrusted else { throw foreign(found) }
            return .mount(found)
        }
        let usable = MountedStore.usable(among: mounts, isServed: isServed)
        let skipped = mounts.filter { !$0.isTrusted }
        switch usable.count {
        case 1: return .mount(usable[0])
        case 0:
            let note =
                skipped.isEmpty ? "" : "\nMounts of other users are left alone:\n\(list(skipped))"
            throw Failure(
                .notFound, "No store was named, and none is mounted.\(note)",
                advice: "Say which: --store PATH (or SEALDISK_STORE), or mount one:"
                    + " sealdisk mount STORE DIR")
        default:
            throw Failure(
                .invalid, "Several stores are mounted:\n\(list(usable))",
                advice: "Say which: --mount DIR or --store PATH.")
        }
    }

    private static func named(
        _ mount: String, store: String?, among mounts: [MountedStore]
    ) throws(Failure) -> MountedStore {
        guard let found = mounts.first(where: { $0.mountPoint == mount }) else {
            let others = mounts.isEmpty ? "" : " These are:\n\(list(mounts))"
            throw Failure(
                .notFound, "\(mount) is not a mount of sealdisk.\(others)",
                advice: "Mount a store there: sealdisk mount STORE \(mount)")
        }
        guard found.isTrusted else { throw foreign(found) }
        guard store == nil || store == found.store else {
            throw Failure(
                .invalid, "\(mount) is the mount of \(found.store), not of \(store ?? "").",
                advice: "Give --mount or --store, or matching ones.")
        }
        return found
    }

    /// Another user's mount could be any program, and keep whoever asks it waiting for ever.
    private static func foreign(_ mount: MountedStore) -> Failure {
        Failure(
            .denied,
            "The mount at \(mount.mountPoint) is user \(mount.owner)'s: it is not looked into.",
            advice: "Run this as that user.")
    }

    private static func list(_ mounts: [MountedStore]) -> String {
        mounts.map { "  \($0.mountPoint)  (store \($0.store))" }.joined(separator: "\n")
    }
}
