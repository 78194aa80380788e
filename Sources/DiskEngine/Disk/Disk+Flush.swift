import ChunkStore
import DiskFormat

extension Disk {
    /// Makes every write acknowledged before this call survive power loss.
    ///
    /// Throws `.io` if the medium failed: the session is over then, because what the medium holds
    /// is no longer known, and this throws `.sessionOver` ever after; not if it only refused.
    /// Throws `.io` also if a strict freshness anchor could not follow; the next flush tries again.
    public func flush() throws {
        try operation(on: 0, 0) {
            do {
                try makeDurable(to: log.reservedTo)
                if lineage.freshness?.isStrict == true {
                    try monitor.withoutLock { try anchorFlush() }
                }
            } catch {
                throw DiskError.wrap(error, while: "flushing disk \(id)")
            }
        }
    }

    /// Group commit: whoever finds no fdatasync under way does one for all that is written by then;
    /// the others wait for it and look again. Called under the lock, which is released meanwhile.
    func makeDurable(to position: UInt64) throws {
        while log.durableTo < position {
            try checkAlive()
            if log.writtenTo < position {
                try waitUntilWritten(to: position)
                continue
            }
            if log.isSyncing {
                monitor.wait()
                continue
            }
            prepareSlots(flushing: log.writtenTo - log.durableTo)
            guard !log.isSyncing, log.durableTo < position else { continue }
            // Every slot below `reach` is written now, before the fdatasyncs begin.
            let reach = log.writtenTo
            let chunks = log.chunks(unsyncedBelow: reach).map(\.file)
            log.isSyncing = true
            do {
                try monitor.withoutLock {
                    for chunk in chunks { try chunk.synchronize() }
                }
                log.isSyncing = false
                log.becameDurable(to: reach)
                work.syncs += 1
                monitor.announce()
                if !log.closed.isEmpty { monitor.announce(.work) }
            } catch {
                log.isSyncing = false
                let cause = DiskError.wrap(error, while: "flushing disk \(id)")
                // Refused for now: nothing is lost, and the next flush makes it durable.
                guard (error as? StoreError)?.code != .busy else {
                    monitor.announce()
                    throw cause
                }
                fail(cause)
                throw cause
            }
        }
        try checkAlive()
    }

    /// Who flushes after every few blocks would wait each time for the host's file system to record
    /// that places which were only set aside are now in use (ext4: 5,600 fdatasyncs a second of
    /// such places, 11,200 of places that were written before). So the next slots are written ahead
    /// as blank, many at a time: one flush in so many pays for all. Called under the lock, which is
    /// released meanwhile. If it fails nothing is lost: who writes the slots will hear of it.
    private func prepareSlots(flushing slots: UInt64) {
        log.smallFlushes = slots <= Limits.smallFlush ? log.smallFlushes + 1 : 0
        guard log.smallFlushes >= Limits.smallFlushes, !log.isPreparing, let active = log.active,
            !active.isFull, active.preparedSlots <= active.nextSlot
        else { return }
        let end = min(active.nextSlot + Limits.preparedSlots, active.slotCount)
        let places = active.nextSlot..<end
        active.preparedSlots = end
        log.isPreparing = true
        monitor.withoutLock { try? active.file.writeBlank(places) }
        log.isPreparing = false
        monitor.announce()
    }
}
