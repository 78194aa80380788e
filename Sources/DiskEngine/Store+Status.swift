import DiskFormat

extension Store {
    /// Figures of the running store, as of this moment.
    public func status() -> StoreStatus {
        let (lineages, disks) = monitor.withLock {
            (
                catalogue.openLineages.values.map(\.lineage),
                catalogue.attached.values.sorted { $0.id < $1.id }
            )
        }
        let reclaiming = reclaimer.figures
        return StoreStatus(
            mapMemoryUsed: memory.usedPages * Format.blockSize,
            mapMemoryLimit: memory.limitPages * Format.blockSize,
            reserveBytes: sealed.reserve.heldBytes, openLineages: lineages.count,
            openChunks: budget.count,
            chunksReclaimed: reclaiming.reclaimed, reclaimError: reclaiming.failure,
            damage: monitor.withLock { catalogue.damage }, disks: disks.map { $0.status() })
    }
}

extension Disk {
    func status() -> StoreStatus.DiskStatus {
        monitor.withLock {
            StoreStatus.DiskStatus(
                id: id.text, size: bytes, storedBytes: map.storedBlocks * UInt64(Format.blockSize),
                session: log.session?.number, reserved: log.reservedTo, written: log.writtenTo,
                durable: log.durableTo, slotsSinceCheckpoint: log.changesSinceCut,
                generation: generation, dirtyMapPages: map.dirty.count + map.frozen.count,
                isCheckpointing: isCheckpointing,
                checkpointError: checkpointFailure.map { "\($0)" },
                failure: log.failure.map { "\($0)" })
        }
    }
}
