import DiskFormat

extension Disk {
    /// Ends the session: refuses new operations, waits for those under way, checkpoints what the
    /// log holds since the last cut, and stops the threads. What could not be made durable is
    /// thrown at the end; the disk is over in any case.
    func close() throws {
        let needsCheckpoint = monitor.withLock { () -> Bool in
            isClosing = true
            monitor.announce()
            while operations > 0 { monitor.wait() }
            return !map.dirty.isEmpty
        }
        var failure: (any Error)?
        do {
            if let sessionFailure = monitor.withLock({ log.failure }) { throw sessionFailure }
            if needsCheckpoint { try checkpoint() }
        } catch {
            failure = error
        }
        monitor.withLock {
            supply.isStopping = true
            monitor.announce()
        }
        for helper in helpers { helper.join() }
        giveBackUnused()
        if let failure {
            throw DiskError.wrap(failure, while: "detaching disk \(id)")
        }
    }

    /// The chunk that was prepared and not used, and the unused tail of the last. Failing costs
    /// space, not data.
    private func giveBackUnused() {
        let (next, active) = monitor.withLock { (log.next, log.active) }
        if let next {
            lineage.chunks.remove(next.number)
            try? lineage.store.removeChunk(lineage.id, next.number)
        }
        if let active { try? active.file.deallocateTail(from: active.nextSlot) }
    }

    /// Changes the size, online, by a checkpoint that records it. Throws `.invalid` if it would
    /// shrink.
    func resize(to size: UInt64) throws {
        try monitor.withLock {
            guard size >= bytes else {
                throw DiskError(
                    .invalid,
                    "disk \(id) has \(bytes) bytes and cannot shrink to \(size); create a smaller"
                        + " disk and copy the files")
            }
            guard CheckpointRecord.isValidSize(size) else { throw DiskError.invalidSize(size) }
        }
        try checkpoint(.size(size))
    }
}

extension DiskError {
    static func invalidSize(_ size: UInt64) -> DiskError {
        DiskError(
            .invalid,
            "\(size) bytes is not a disk size: it must be a multiple of 4096, from 4 KiB to 32 TiB")
    }
}
