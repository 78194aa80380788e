/// Loop devices that outlive their mount: over its files still, and every access fails.
enum OrphanedLoops {
    /// Those over files below a mount point, by the kernel's list: nothing is looked into.
    static func below(_ mountPoint: String) -> [String] {
        HostText.names(in: "/sys/block").filter { $0.hasPrefix("loop") }.filter { name in
            HostText.line("/sys/block/\(name)/loop/backing_file")?.hasPrefix(mountPoint + "/")
                ?? false
        }.map { "/dev/\($0)" }
    }

    /// What to do about them; nil if there are none.
    static func note(_ devices: [String]) -> String? {
        guard !devices.isEmpty else { return nil }
        let list = devices.joined(separator: " ")
        return "left over from it: \(list). Unmount what lies there (umount \(list)), then free"
            + " \(devices.count == 1 ? "it" : "them"): losetup -d \(list)"
    }
}
