import DiskFormat
import KeyManagement

extension Store {
    /// Figures of the running store, as of this moment.
    public func status() -> StoreStatus {
        let (lineages, disks, snapshots, snapshotBlocks) = monitor.withLock {
            (
                catalogue.openLineages.count,
                catalogue.attached.values.map { ($0, catalogue.disks[$0.id]?.exclusive) },
                catalogue.snapshots.count,
                catalogue.snapshots.values.reduce(0) { $0 + $1.manifest.state.storedBlocks }
            )
        }
        let reclaiming = reclaimer.figures
        return StoreStatus(
            mapMemoryUsed: memory.usedPages * Format.blockSize,
            mapMemoryLimit: memory.limitPages * Format.blockSize,
            reserveBytes: sealed.reserve.heldBytes, openLineages: lineages,
            openChunks: budget.count,
            chunksReclaimed: UInt64(reclaiming.done.chunks),
            bytesReclaimed: reclaiming.done.bytes, isReclaiming: reclaiming.isRunning,
            bytesReclaimable: UInt64(deadBlocks) * UInt64(Format.blockSize),
            reclaimError: reclaiming.failure,
            damage: damage(), snapshots: snapshots,
            snapshotBytes: snapshotBlocks * UInt64(Format.blockSize),
            disks: disks.sorted { $0.0.id < $1.0.id }.map { $0.status(exclusive: $1) })
    }

    /// What is known to be damaged, by resource (`disk d-…`, `snapshot s-…`, `lineage …`):
    /// manifests that made no sense when the store was opened, and what reads have met since.
    public func damage() -> [String: String] {
        let (noted, snapshots, disks) = monitor.withLock {
            (
                catalogue.damage,
                catalogue.damagedSnapshots.compactMap { id in
                    catalogue.snapshots[id].map { (id, $0.damage) }
                },
                Array(catalogue.attached.values)
            )
        }
        var damage = noted
        for (id, found) in snapshots {
            damage["snapshot \(id)"] = found.first ?? noted["snapshot \(id)"]
        }
        for disk in disks {
            damage["disk \(disk.id)"] = disk.foundDamage?.first ?? noted["disk \(disk.id)"]
        }
        return damage
    }
}

extension Disk {
    /// nil: none.
    var foundDamage: FoundDamage? {
        monitor.withLock { damage.count > 0 ? damage : nil }
    }

    func status(exclusive: (bytes: UInt64, asOf: Timestamp)? = nil) -> StoreStatus.DiskStatus {
        monitor.withLock {
            StoreStatus.DiskStatus(
                id: id.text, isEncrypted: isEncrypted, size: bytes,
                storedBytes: map.storedBlocks * UInt64(Format.blockSize),
                exclusiveBytes: exclusive?.bytes, exclusiveAsOf: exclusive?.asOf,
                session: log.session?.number, reserved: log.reservedTo, written: log.writtenTo,
                durable: log.durableTo, slotsSinceCheckpoint: log.changesSinceCut,
                generation: generation, dirtyMapPages: map.dirty.count + map.frozen.count,
                isCheckpointing: isCheckpointing,
                checkpointError: checkpointFailure.map { "\($0)" },
                lastCheckpoint: work.lastCheckpoint,
                failure: log.failure.map { "\($0)" })
        }
    }
}
