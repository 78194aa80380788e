import ArgumentParser

/// How `attach` sets a loop device up, and where it mounts what is on it.
struct LoopOptions: ParsableArguments {
    enum Choice: String, ExpressibleByArgument, CaseIterable { case on, off }

    @Flag(help: "Look for partitions on the device: /dev/loop0p1 and so on.")
    var partscan = false

    @Option(
        help: ArgumentHelp(
            "The partition that --at mounts; looks for partitions, too.", valueName: "number"))
    var partition: Int?

    @Option(
        name: .customLong("direct-io"),
        help: ArgumentHelp(
            "Whether the device goes past the page cache, on or off (default: on).",
            discussion: "Off caches everything twice, for programs that need it."))
    var directIO: Choice?

    @Option(
        help: ArgumentHelp(
            "512 or 4096 (the default): a disk partitioned in a virtual machine mostly has 512.",
            valueName: "bytes"))
    var sectorSize: UInt32?

    @Option(
        name: .customLong("at"),
        help: ArgumentHelp(
            "Mount the file system there: an empty folder, made if there is none.",
            discussion: "Not --mount, which names the mount of the store in every command.",
            valueName: "dir"), completion: .directory)
    var place: String?

    @Option(
        name: .customLong("options"),
        help: ArgumentHelp("Options of that mount, as of mount -o.", valueName: "options"))
    var mountOptions: String?

    /// The first of these that was given, as it is typed.
    var given: String? {
        if partscan { return "--partscan" }
        if partition != nil { return "--partition" }
        if directIO != nil { return "--direct-io" }
        if sectorSize != nil { return "--sector-size" }
        if place != nil { return "--at" }
        return mountOptions == nil ? nil : "--options"
    }

    func validate() throws {
        guard sectorSize == nil || [512, 4096].contains(sectorSize) else {
            throw ValidationError("--sector-size takes 512 or 4096.")
        }
        guard partition == nil || partition! > 0 else {
            throw ValidationError("Partitions are numbered from 1.")
        }
    }

    func settings(readOnly: Bool) -> LoopSettings {
        LoopSettings(
            isReadOnly: readOnly, hasDirectIO: directIO != .off,
            hasPartitions: partscan || partition != nil,
            sectorSize: sectorSize ?? LoopSettings.blockSize)
    }

    /// Refuses a device that is there already and was set up in another way than is asked for: a
    /// second one beside it would not see what is written through the first.
    func demand(_ loop: LoopDevice) throws(Failure) {
        let found = loop.settings
        let differs: String? =
            if directIO != nil, found.hasDirectIO != (directIO == .on) {
                "--direct-io \(directIO == .on ? "on" : "off")"
            } else if partscan || partition != nil, !found.hasPartitions {
                "--partscan"
            } else if let sectorSize, found.sectorSize != sectorSize {
                "--sector-size \(sectorSize)"
            } else {
                nil
            }
        guard let differs else { return }
        throw Failure(
            .busy, "\(loop.path) is there already, and was not set up with \(differs).",
            advice: "Detach first, then attach with it; or leave it out.")
    }
}
