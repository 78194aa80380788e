/// The names that a shell completes, of the mounts that a command line is about. Whoever presses a
/// key is not to wait: only mounts are asked that answer at once, for what they show in folders.
/// Nothing is ever said, and no key asked for.
struct CompletedNames {
    /// Seconds, for all mounts together; each gets one to answer.
    private static let patience = 1.0

    private let mounts: [MountedStore]

    /// `words`: the command line as far as it is written.
    init(
        _ words: [String], among mounts: [MountedStore] = MountedStore.all(),
        store: String? = environmentVariable("SEALDISK_STORE")
    ) {
        let trusted = mounts.filter(\.isTrusted)
        if let mount = Self.value(of: "--mount", in: words) {
            self.mounts = trusted.filter { $0.mountPoint == Self.path(mount) }
        } else if let store = Self.value(of: "--store", in: words) ?? store {
            self.mounts = trusted.filter { $0.store == Self.path(store) }
        } else {
            self.mounts = trusted
        }
    }

    /// What is in the folders of a mount.
    struct Folders {
        fileprivate let mountPoint: String

        var disks: [String] { names("disks") }
        var instances: [String] { names("instances") }

        /// Each snapshot stands beside its sealed file.
        var snapshots: [String] {
            let names = names("snapshots")
            let all = Set(names)
            return names.filter { all.contains($0 + ".sealed") }
        }

        private func names(_ folder: String) -> [String] {
            HostText.names(in: "\(mountPoint)/\(folder)").filter { !$0.contains("\n") }
        }
    }

    func names(_ kind: (Folders) -> [String]) -> [String] {
        let end = ContinuousClock.now + .seconds(Self.patience)
        var names: [String] = []
        for mount in mounts where ContinuousClock.now < end {
            guard mount.server != nil, MountProbe.of(mount.mountPoint) == .answers else { continue }
            names += kind(Folders(mountPoint: mount.mountPoint)).filter { !names.contains($0) }
        }
        return names
    }

    /// The mounts that are meant, for tests.
    var mountPoints: [String] { mounts.map(\.mountPoint) }

    private static func value(of option: String, in words: [String]) -> String? {
        for (index, word) in words.enumerated() {
            if word.hasPrefix(option + "=") { return String(word.dropFirst(option.count + 1)) }
            if word == option, index + 1 < words.count { return words[index + 1] }
        }
        return nil
    }

    /// By its text alone: links are not followed, for a path may lead into a mount that hangs.
    private static func path(_ text: String) -> String {
        var text = text
        if text.hasPrefix("~/"), let home = environmentVariable("HOME") {
            text = home + text.dropFirst()
        }
        while text.count > 1, text.hasSuffix("/") { text.removeLast() }
        return AbsolutePath.ofFile(text)
    }
}
