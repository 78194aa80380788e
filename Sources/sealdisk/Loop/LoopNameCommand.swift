import ArgumentParser

/// The hidden command by which the udev rule learns what a loop device is to be called. Says
/// nothing of one that stands on no disk. Reads lists of the kernel alone: looking into a mount
/// could keep whoever handles the host's devices waiting.
struct LoopNameCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loop-name", abstract: "What the udev rule needs said.", shouldDisplay: false)

    /// As the kernel calls it: `loop0`.
    @Argument var device: String

    func run() {
        guard device.hasPrefix("loop"), let number = Int(device.dropFirst(4)),
            let file = LoopDevice(number: number).backingFile,
            let name = Self.name(of: file, among: MountedStore.all().map(\.mountPoint))
        else { return }
        print("SEALDISK_NAME=\(name)")
    }

    /// nil of a file in none of these mounts, and of one whose name no resource has.
    static func name(of file: String, among mountPoints: [String]) -> String? {
        for mountPoint in mountPoints where file.hasPrefix(mountPoint + "/") {
            let parts = file.dropFirst(mountPoint.utf8.count + 1).split(separator: "/")
            guard parts.count == 2, parts[1].utf8.allSatisfy(isOfNames) else { continue }
            switch parts[0] {
            case "disks": return String(parts[1])
            case "snapshots": return "snapshot-\(parts[1])"
            default: continue
            }
        }
        return nil
    }

    /// What a name may consist of; it becomes that of a file.
    private static func isOfNames(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: [UInt8](".:_-".utf8).contains(byte)
        }
    }
}
