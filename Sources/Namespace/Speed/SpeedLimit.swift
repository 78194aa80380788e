import ControlPlane
import Synchronization

/// Holds a disk to a speed: two token buckets, of operations and of bytes, as the cloud's disks
/// have. Work is done at once, and its answer held back until the buckets allow it: nobody waits
/// here, so that no thread of those that serve the kernel is ever kept by a slow disk.
///
/// Switched off, which is usual, it costs one relaxed load of an atomic an operation.
final class SpeedLimit: Sendable {
    /// What may be done at once after a rest, in nanoseconds of the speed.
    private static let burst: UInt64 = 50_000_000

    private struct State {
        var speed = DiskSpeed(operations: 1, megabytes: 1)
        /// When each bucket is level again, by the monotonic clock.
        var operationsDue: UInt64 = 0
        var bytesDue: UInt64 = 0
    }

    private let isOn = Atomic<Bool>(false)
    private let state = Mutex(State())

    /// nil: as fast as it goes.
    func set(_ speed: DiskSpeed?) {
        if let speed { state.withLock { $0.speed = speed } }
        isOn.store(speed != nil, ordering: .relaxed)
    }

    /// When an operation of so many bytes that begins at `now` may be answered, both in nanoseconds
    /// of the monotonic clock; nil: as soon as it is done.
    func deadline(bytes: Int, now: () -> UInt64 = monotonicNanoseconds) -> UInt64? {
        guard isOn.load(ordering: .relaxed) else { return nil }
        let now = now()
        return state.withLock { state in
            let second: UInt64 = 1_000_000_000
            let floor = now > Self.burst ? now - Self.burst : 0
            state.operationsDue =
                max(state.operationsDue, floor) + second / max(state.speed.operations, 1)
            state.bytesDue =
                max(state.bytesDue, floor)
                + UInt64(bytes) * second / max(state.speed.bytes, 1)
            let due = max(state.operationsDue, state.bytesDue)
            return due > now ? due : nil
        }
    }
}
