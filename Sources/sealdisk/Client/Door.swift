import ControlPlane

/// Where a request goes: through a mount's `control` file if the store is mounted, else to the
/// store itself, opened for this one action.
enum Door: Hashable, Sendable {
    case mount(MountedStore)
    case store(path: String)

    /// Chooses by what was said: `mount` (a mount point) and `store` (a store's path), both or
    /// neither. With neither, the only mount there is.
    static func choose(
        mount: String?, store: String?, among mounts: [MountedStore]
    ) throws(Failure) -> Door {
        if let mount { return .mount(try named(mount, store: store, among: mounts)) }
        if let store {
            return mounts.first { $0.store == store }.map { .mount($0) } ?? .store(path: store)
        }
        let living = mounts.filter { $0.store != nil }
        switch living.count {
        case 1: return .mount(living[0])
        case 0:
            let dead = mounts.map { "\($0.mountPoint) does not answer." }.joined(separator: " ")
            throw Failure(
                .notFound, "No store was named, and none is mounted. \(dead)".trimmedEnd,
                advice: "Say which: --store PATH (or SEALDISK_STORE), or mount one:"
                    + " sealdisk mount STORE DIR")
        default:
            throw Failure(
                .invalid, "Several stores are mounted:\n\(list(living))",
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
        guard let path = found.store else {
            throw Failure(
                .failed, "The mount at \(mount) does not answer.",
                advice: "If its daemon is gone: sealdisk unmount \(mount), then mount it again.")
        }
        guard store == nil || store == path else {
            throw Failure(
                .invalid, "\(mount) is the mount of \(path), not of \(store ?? "").",
                advice: "Give --mount or --store, or matching ones.")
        }
        return found
    }

    private static func list(_ mounts: [MountedStore]) -> String {
        mounts.map { "  \($0.mountPoint)  (store \($0.store ?? "unknown, it does not answer"))" }
            .joined(separator: "\n")
    }
}

extension String {
    fileprivate var trimmedEnd: String { hasSuffix(" ") ? String(dropLast()) : self }
}
