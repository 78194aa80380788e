import ChunkStore
import Synchronization

/// The names of the chunks that the bucket has, by their folders, as far as that was asked: while a
/// lease is held nobody else makes any, so that who makes a new one needs not ask for each.
///
/// Invariant: of a folder that is here, what is not named is not in the bucket, but for puts of an
/// earlier holder that arrive late; those give way to this one's (`CachedChunk.putIndex`).
final class PresentChunks: Sendable {
    private let folders = Mutex<[String: Set<ObjectName>]>([:])

    private static func folder(of name: ObjectName) -> String {
        name.components.dropLast().joined(separator: "/")
    }

    /// Whether the bucket has the chunk; nil: its folder was not asked for.
    func has(_ name: ObjectName) -> Bool? {
        folders.withLock { $0[Self.folder(of: name)]?.contains(name) }
    }

    /// All that the folder of `name` has.
    func note(_ chunks: Set<ObjectName>, besides name: ObjectName) {
        folders.withLock { $0[Self.folder(of: name)] = chunks }
    }

    func insert(_ name: ObjectName) {
        folders.withLock { _ = $0[Self.folder(of: name)]?.insert(name) }
    }

    func remove(_ name: ObjectName) {
        folders.withLock { _ = $0[Self.folder(of: name)]?.remove(name) }
    }

    /// Of what lies below a folder, or of all, nothing is known any more.
    func forget(below folder: ObjectName?) {
        folders.withLock { folders in
            folders = folders.filter { path, _ in
                folder.map { !"\(path)/".hasPrefix("\($0)/") } ?? false
            }
        }
    }
}
