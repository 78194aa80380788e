import ControlPlane
import FUSEAdapter
import KeyManagement
import Namespace
import Synchronization

/// What a process serves: a store that it has opened, the tree that shows it, and the control plane
/// over both. Another opening of the same store takes their place when a handover failed.
final class ServedMount: Sendable {
    struct Parts: Sendable {
        let opened: OpenedStore
        let tree: Namespace
        let plane: ControlPlane
    }

    private let current: Mutex<Parts>
    /// Held by whoever ends the mount or hands it over: only one of them at a time.
    let turn = Mutex(())

    init(_ parts: Parts) { current = Mutex(parts) }

    var parts: Parts { current.withLock { $0 } }
    var tree: Namespace { parts.tree }
    var plane: ControlPlane { parts.plane }
    var keys: HostKeys { parts.opened.keys }

    func replace(with parts: Parts) { current.withLock { $0 = parts } }
}
