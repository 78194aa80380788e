import ControlPlane
import Glibc

/// What a copy leaves whose process was killed: mounts, loop devices, a clone and a snapshot. The
/// next copy in the same mount takes them down.
enum CopyLeftovers {
    private static let prefix = "made by sealdisk copy, process "

    /// Of what this process makes: by it the next one knows it again.
    static var description: String { "\(prefix)\(getpid())" }

    static func takeDown(through client: Client) throws(Failure) {
        guard case .mount(let mount) = client.door else { return }
        for disk in try DiskCommand.all(through: client) where isLeft(disk) {
            let file = mount.file(ofDisk: disk.text("Name"))
            for loop in LoopDevice.all(of: file) {
                let devices = loop.blockDevices.map(\.device)
                for place in MountInfo.current() where devices.contains(place.device) {
                    try CopyMount.takeAway(place.mountPoint)
                    rmdir(place.mountPoint)
                }
                try loop.remove()
            }
            let id = disk.text("DiskId")
            if disk.flag("Open") { try client.ask(Request("DetachDisk", ["DiskId": id])) }
            try client.ask(Request("DeleteDisk", ["DiskId": id]))
        }
        for snapshot in try SnapshotCommand.all(through: client) where isLeft(snapshot) {
            try client.ask(
                Request("DeleteSnapshot", ["SnapshotId": snapshot.text("SnapshotId")]))
        }
    }

    /// Whether a copy made it that is not at work any more.
    private static func isLeft(_ resource: JSON) -> Bool {
        let text = resource.text("Description")
        guard text.hasPrefix(prefix), let process = pid_t(text.dropFirst(prefix.utf8.count)) else {
            return false
        }
        return HostText.line("/proc/\(process)/comm") != "sealdisk"
    }
}
