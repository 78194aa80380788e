import DiskFormat
import Synchronization

/// The names that the kernel may hold, and where each led when it was last looked: the difference
/// to now is what it must be told to drop.
final class NameWatch: Sendable {
    private let known = Mutex<[UInt64: [String: UInt64]]>([:])

    /// Takes the names of a folder as they are now (name to inode); returns those that led
    /// somewhere else before, or nowhere now.
    func replace(_ folder: UInt64, with names: [String: UInt64]) -> [String] {
        known.withLock { known in
            let before = known.updateValue(names, forKey: folder) ?? [:]
            return before.filter { names[$0.key] != $0.value }.map(\.key)
        }
    }
}
