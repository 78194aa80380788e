import DiskFormat

@testable import DiskEngine

/// One of the hosts that are at work at the same time.
struct HostAtWork {
    var host: SimulatedHost
    var store: Store?
    /// Whether the other one has a disk now that this one still has attached, or had until just
    /// now: its life is over soon, and what fails until then has a reason.
    var isRobbed = false
}

extension World {
    /// The host that the present thread is of, by its name: a number of `hosts`.
    var here: Int { scheduler.currentName.hasPrefix("second") ? 1 : 0 }

    var host: SimulatedHost {
        get { hosts[here].host }
        set { hosts[here].host = newValue }
    }

    var store: Store? {
        get { hosts[here].store }
        set { hosts[here].store = newValue }
    }

    /// Disks that are this host's affair; not those that came from the other and wait.
    var disksHere: [DiskID] {
        disks.values.filter { $0.host == here && $0.arrival == nil }.map(\.id).sorted()
    }

    var arrivals: [DiskID] {
        disks.values.filter { $0.host == here && $0.arrival != nil }.map(\.id).sorted()
    }

    var snapshotsHere: [SnapshotID] {
        let disks = Set(disksHere)
        return snapshots.values.filter { disks.contains($0.disk) && !$0.isBeingDeleted }
            .map(\.id).sorted()
    }
}
