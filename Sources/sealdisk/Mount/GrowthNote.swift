import Glibc
import Namespace

/// Tells loop devices that the disk they stand on has grown, whoever made it grow. By an errand:
/// the device asks the mount for its file's size.
enum GrowthNote {
    /// Seconds.
    private static let patience = 15.0

    static func tell(_ disk: GrownDisk) {
        let mountPoint = AbsolutePath.folder(of: AbsolutePath.folder(of: disk.path))
        guard !OrphanedLoops.below(mountPoint).isEmpty else { return }
        if disk.mayWait { return run(disk) }
        BackgroundThread.start { run(disk) }
    }

    private static func run(_ disk: GrownDisk) {
        let error = Errands().perform(.grow, disk.path, size: disk.size, patience: patience)
        guard error != 0 else { return }
        Report.line(
            "the loop devices over \(disk.path) could not be told that it has grown:"
                + " \(String(cString: strerror(error))); losetup --set-capacity does it")
    }
}
