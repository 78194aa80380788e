import DiskEngine
import DiskFormat

/// The tree at the end of its mount.
extension Namespace {
    /// Takes no more requests through `control`, lets those that were taken finish, ends imports
    /// where they are. False if one takes longer than `seconds`, as while it waits for the KMS or
    /// the medium: its thread goes on, and may still use the kernel's cache and the store.
    @discardableResult
    public func closeControl(within seconds: Double = flushPatience) -> Bool {
        let deadline = now() + seconds
        delays.close()
        let haveEnded = intake.close(within: seconds)
        return desk.close(within: max(0, deadline - now())) && haveEnded
    }

    /// Before the mount is taken from under those who still use it: takes no more requests, and
    /// has the kernel write out what mappings hold dirty. `seconds` is for all of it together.
    /// Gives what could not be done, in words.
    public func prepareToEnd(within seconds: Double) -> [String] {
        let deadline = now() + seconds
        var failures: [String] = []
        let disks = store.attachedDisks()
        // Requests get the share of one disk: what waits for the medium keeps the others from
        // nothing.
        if !closeControl(within: seconds / Double(disks.count + 1)) {
            failures.append("a request to control was given up: what it changes may be there")
        }
        for (index, disk) in disks.enumerated() {
            do throws(DiskError) {
                let rest = max(0, deadline - now()) / Double(disks.count - index)
                try flushMappings(of: disk.id, patience: rest)
            } catch {
                faults.note(error.message)
                failures.append(error.message)
            }
        }
        return failures
    }

    /// Disks and snapshots that have handles open, by name, in words.
    public func openFiles() -> [String] {
        opens.settledCounts(patience: Self.releasePatience).map { resource, count in
            let handles = count == 1 ? "1 handle" : "\(count) handles"
            switch resource {
            case .disk(let id): return "disk \(name(of: id)): \(handles)"
            case .snapshot(let id):
                let name = snapshotNames().shown.first { $0.id == id }?.name
                return "snapshot \(name ?? "\(id)"): \(handles)"
            }
        }.sorted()
    }

    /// The names of the disks that are attached, by id.
    public func attachedNames() -> [String: String] {
        Dictionary(uniqueKeysWithValues: attachedIDs().map { ("\($0)", name(of: $0)) })
    }

    /// Those that still are. Waits for no medium.
    public func attachedIDs() -> [DiskID] { store.attachedDisks().map(\.id) }

    /// Failures of the data path that no line of the log has told of yet.
    public func tellRest() { faults.tellRest() }

    private func name(of disk: DiskID) -> String {
        diskNames().shown.first { $0.id == disk }?.name ?? "\(disk)"
    }
}
