import CLoopDevice
import Glibc

/// A mounted file system, by a folder in it, that can be frozen: writers stop, and what they wrote
/// is on the device.
struct FrozenFileSystem: Sendable {
    let mountPoint: String
    private let descriptor: Int32

    /// nil if the folder cannot be opened; errno says why.
    init?(_ mountPoint: String) {
        descriptor = open(mountPoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        self.mountPoint = mountPoint
    }

    /// 0 or an errno: EBUSY if somebody else has frozen it, EOPNOTSUPP if it cannot be frozen.
    func freeze() -> Int32 { sealdisk_freeze(descriptor) == 0 ? 0 : errno }

    /// 0 or an errno: EINVAL if it was not frozen any more.
    @discardableResult
    func thaw() -> Int32 { sealdisk_thaw(descriptor) == 0 ? 0 : errno }
}
