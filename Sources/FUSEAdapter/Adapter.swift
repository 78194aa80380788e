import CFUSE
import Namespace
import Synchronization

/// What libfuse's callbacks find behind a request: the tree that answers it, and what is open.
final class Adapter: Sendable {
    let files = HandleTable<OpenFile>()
    let folders = HandleTable<[FolderEntry]>()
    /// The kernel's first request, as it came: what was agreed with it follows from that, in this
    /// process and in one that takes the mount over.
    let firstRequest = Mutex<[UInt8]>([])
    /// Requests that a thread will answer that does not serve the kernel.
    let parked = Atomic<Int>(0)

    /// ▲ Changed only while nobody serves the kernel (`ServingPause`), by whoever has seen to that.
    nonisolated(unsafe) private(set) var tree: Namespace

    init(_ tree: Namespace) { self.tree = tree }

    /// Puts another tree in its place, while nobody serves the kernel.
    func replaceTree(_ other: Namespace) { tree = other }

    /// Valid while the session lives: `MountSession` owns both.
    static func of(_ request: fuse_req_t) -> Adapter {
        // Non-nil: `MountSession` gives the adapter to every session it makes.
        of(fuse_req_userdata(request)!)
    }

    static func of(_ userdata: UnsafeMutableRawPointer) -> Adapter {
        Unmanaged<Adapter>.fromOpaque(userdata).takeUnretainedValue()
    }
}
