import CFUSE
import Namespace

/// What libfuse's callbacks find behind a request: the tree that answers it.
final class Adapter: Sendable {
    let tree: Namespace

    init(_ tree: Namespace) { self.tree = tree }

    /// Valid while the session lives: `MountSession` owns both.
    static func of(_ request: fuse_req_t) -> Adapter {
        // Non-nil: `MountSession` gives the adapter to every session it makes.
        Unmanaged<Adapter>.fromOpaque(fuse_req_userdata(request)!).takeUnretainedValue()
    }
}

/// An open file or folder behind the number that the kernel knows it by. The kernel gives back only
/// numbers that it was given, and none after its release.
final class Handle<Content: Sendable>: Sendable {
    let content: Content

    init(_ content: Content) { self.content = content }

    /// The number of a new handle, alive until `release`.
    static func make(_ content: Content) -> UInt64 {
        UInt64(UInt(bitPattern: Unmanaged.passRetained(Handle(content)).toOpaque()))
    }

    static func content(_ info: UnsafeMutablePointer<fuse_file_info>) -> Content {
        unmanaged(info.pointee.fh).takeUnretainedValue().content
    }

    static func release(_ number: UInt64) { unmanaged(number).release() }

    private static func unmanaged(_ number: UInt64) -> Unmanaged<Handle> {
        // Non-nil: numbers come from `make` alone.
        .fromOpaque(UnsafeRawPointer(bitPattern: UInt(number))!)
    }
}
