import ControlPlane
import DiskEngine
import DiskFormat

extension Namespace {
    /// The limit that all handles on a disk share, as the disk's record and the mount have it now.
    func speedLimit(of disk: DiskSummary) -> SpeedLimit {
        let limit = speedLimits.withLock { limits in
            if let known = limits[disk.id] { return known }
            let new = SpeedLimit()
            limits[disk.id] = new
            return new
        }
        limit.set(DiskSpeed.limit(of: disk, isForAll: facts.limitsSpeed))
        return limit
    }

    /// The disk's record has changed, or its size, by which its speed goes.
    func renewSpeedLimit(of id: DiskID) {
        guard speedLimits.withLock({ $0[id] != nil }), let disk = try? store.disk(id) else {
            return
        }
        _ = speedLimit(of: disk)
    }
}
