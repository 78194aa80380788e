import ControlPlane

/// A file system that is made on a blank disk, and on no other.
enum NewFileSystem {
    /// Those whose mkfs knows `-q`: what it says otherwise is of no use to anybody.
    private static let quiet: Set = ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"]

    /// Throws `.exists` of a disk that holds anything.
    static func demandBlank(_ disk: JSON) throws(Failure) {
        guard disk.count("StoredBytes") == 0 else {
            throw Failure(
                .exists, "Disk '\(disk.text("Name"))' holds something already.",
                advice: "Leave --mkfs out to use its file system, or name a blank disk.")
        }
    }

    static func make(_ type: String, on device: String) throws(Failure) {
        guard type.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == ".") }) else {
            throw Failure(
                .invalid, "'\(type)' is no type of file system.", advice: "ext4 and xfs are usual.")
        }
        let status = ChildProcess.runUntilInterrupted(
            ["mkfs.\(type)"] + (quiet.contains(type) ? ["-q"] : []) + [device])
        if Interruption.isRequested { throw interrupted }
        guard status == 0 else {
            throw Failure(
                .failed, "mkfs.\(type) could not make a file system on \(device).",
                advice: "See what it said; is its package (e2fsprogs, xfsprogs) installed?")
        }
    }

    static var interrupted: Failure {
        Failure(.failed, "Interrupted.", advice: "The same command begins anew.")
    }
}
