import KeyManagement

/// What is to be mounted, where, and how. Paths are absolute; those of the store and the mount
/// point are without symbolic links.
struct MountPlan: Sendable {
    let store: String
    let mountPoint: String
    let flags: MountFlags
    let keys: KeySource
    /// The mount that this process is to serve in place of another; nil for a new one.
    var takenOver: MountedStore?
    /// Whether the store is taken from another host.
    var isFencing = false

    /// What the process that serves a mount uses must not lie below it: it would wait for itself.
    /// (For the store, see `MountCover`.)
    func refuseCovered() throws(Failure) {
        try refuse("log file", flags.logFile)
        let location = try StoreLocation(store)
        if !location.isFolder { try refuse("store's cache", location.lockFolder) }
        try refuse("freshness anchor", flags.anchor?.path)
        if let service = keys.keyService {
            try refuse("key-use log", MeteredKeys.logPath(folder: keys.logFolder))
            for file in service.hostFiles { try refuse(file.what, file.path) }
        } else {
            try refuse("keystore", keys.keystorePath)
        }
        if case .keyFile(let path) = keys.unlocker { try refuse("key file", path) }
        if case .recoveryKeyFile(let path) = keys.unlocker { try refuse("recovery key", path) }
    }

    /// The same of the key files that the keystore remembers.
    func refuseCovered(rememberedBy keystore: EmbeddedKMS?) throws(Failure) {
        for path in (try? keystore?.rememberedKeyFiles) ?? [] { try refuse("key file", path) }
    }

    private func refuse(_ what: String, _ path: String?) throws(Failure) {
        guard let path, Self.isBelow(Self.real(path), mountPoint) else { return }
        throw Failure(
            .invalid, "The \(what) \(path) lies under the mount point \(mountPoint).",
            advice: "The process that serves a mount would wait for itself: keep it elsewhere.")
    }

    private static func isBelow(_ path: String, _ folder: String) -> Bool {
        "\(path)/".hasPrefix(folder == "/" ? "/" : "\(folder)/")
    }

    /// Of a file that need not exist: without symbolic links as far as it does.
    static func real(_ path: String) -> String {
        if let real = AbsolutePath.resolve(path) { return real }
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return path }
        return real(String(path[..<slash])) + path[slash...]
    }
}
