import ControlPlane
import DiskEngine
import DiskFormat
import Synchronization

/// A mounted tree that is none: it writes down what it is asked and told.
final class TestMount: MountHooks {
    struct State {
        var calls: [String] = []
        var openDisks: Set<DiskID> = []
        var openSnapshots: Set<SnapshotID> = []
        var blocked: Set<DiskID> = []
        var flushFails = false
        var instances: [NamedInstance] = []
    }

    let state = Mutex(State())

    /// What was called since the last time this was asked.
    func takeCalls() -> [String] {
        state.withLock { state in
            defer { state.calls = [] }
            return state.calls
        }
    }

    func openHandles(of disk: DiskID) -> Int {
        state.withLock { $0.openDisks.contains(disk) ? 1 : 0 }
    }

    func openHandles(of snapshot: SnapshotID) -> Int {
        state.withLock { $0.openSnapshots.contains(snapshot) ? 2 : 0 }
    }

    func flushMappings(of disk: DiskID) throws(DiskError) {
        try state.withLock { state throws(DiskError) in
            state.calls.append("flush")
            if state.flushFails { throw DiskError(.io, "writing out mappings failed") }
        }
    }

    func blockOpens(of disk: DiskID) throws(DiskError) {
        try state.withLock { state throws(DiskError) in
            state.calls.append("block")
            guard !state.openDisks.contains(disk) else {
                throw DiskError(.busy, "disk \(disk) is open (1 handle)")
            }
            state.blocked.insert(disk)
        }
    }

    func allowOpens(of disk: DiskID) {
        state.withLock { state in
            state.calls.append("allow")
            state.blocked.remove(disk)
        }
    }

    func didChange(_ change: ResourceChange) {
        state.withLock { state in
            switch change {
            case .diskCreated: state.calls.append("created")
            case .diskDeleted: state.calls.append("deleted")
            case .diskRenamed: state.calls.append("renamed")
            case .snapshotRenamed: state.calls.append("snapshot renamed")
            case .diskAttached: state.calls.append("attached")
            case .diskDetached: state.calls.append("detached")
            case .diskReplaced(_, let size): state.calls.append("replaced \(size)")
            case .diskResized(_, let size): state.calls.append("resized \(size)")
            case .snapshotCreated: state.calls.append("snapshot created")
            case .snapshotDeleted: state.calls.append("snapshot deleted")
            case .instancesChanged(let all): state.instances = all
            }
        }
    }
}
