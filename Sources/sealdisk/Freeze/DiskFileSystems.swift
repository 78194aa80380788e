import ControlPlane

/// The file systems that are mounted from a disk's file, through loop devices.
enum DiskFileSystems {
    /// Where they are mounted, one place for each. Throws if there are none: who asks for a frozen
    /// file system wants no snapshot of another kind.
    static func mountPoints(of disk: String, at file: String) throws(Failure) -> [String] {
        let loops = LoopDevice.all(of: file)
        guard !loops.isEmpty else {
            throw Failure(
                .busy, "Disk \(disk) has no loop device, so there is no file system to freeze.",
                advice: "Leave out --freeze; a virtual machine that uses the disk is to freeze its"
                    + " file systems itself.")
        }
        let devices = loops.flatMap(\.blockDevices)
        let mounts = MountInfo.current().filter { mount in
            // btrfs gives its mounts numbers of their own: there the source tells.
            devices.contains { $0.device == mount.device || "/dev/\($0.name)" == mount.source }
        }
        var seen: Set<DeviceNumber> = []
        let places = mounts.filter { seen.insert($0.device).inserted }.map(\.mountPoint)
        guard !places.isEmpty else {
            throw Failure(
                .busy,
                "No file system of \(loops.map(\.path).joined(separator: ", ")) is mounted here, so"
                    + " there is none to freeze.",
                advice: "Leave out --freeze: what is not mounted is at rest. (If it is mounted in"
                    + " another mount namespace, run the command there.)")
        }
        return places
    }
}
