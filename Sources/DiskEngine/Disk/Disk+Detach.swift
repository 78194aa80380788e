import DiskFormat

extension Disk {
    /// Ends the session: refuses new operations, waits for those under way, makes everything
    /// durable, checkpoints what the log holds since the last cut, and stops the threads. What
    /// could not be made durable is thrown at the end; the disk is over in any case.
    func close() throws {
        monitor.withLock {
            isClosing = true
            while operations > 0 { monitor.wait() }
        }
        let outcome = Result { try settle() }
        stopHelpers()
        giveBackUnused()
        do {
            try outcome.get()
        } catch {
            throw DiskError.wrap(error, while: "detaching disk \(id)")
        }
    }

    /// Everything durable, and a checkpoint so that the next attach has nothing to replay. A store
    /// too full for the checkpoint loses nothing: the log is durable and will be replayed.
    private func settle() throws {
        let needsCheckpoint = try monitor.withLock {
            while isCheckpointing { monitor.wait() }
            try makeDurable(to: log.reservedTo)
            return !isManifestCurrent
        }
        do {
            if needsCheckpoint { try checkpoint() }
        } catch let error as DiskError where error.code == .noSpace {}
    }

    /// The chunk that was prepared and not used, those that would have become the next, and the
    /// unused tail of the last. Failing costs space, not data.
    func giveBackUnused() {
        for spare in lineage.spares.drain() {
            try? lineage.store.removeChunk(lineage.id, spare)
        }
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
        guard CheckpointRecord.isValidSize(size) else { throw DiskError.invalidSize(size) }
        try checkpoint(.size(size))
    }

    /// Called under the lock by who holds `isCheckpointing`: no other resize comes between.
    func checkGrowth(to size: UInt64) throws {
        guard size >= bytes else { throw DiskError.shrinking(id, from: bytes, to: size) }
    }
}

extension DiskError {
    static func shrinking(_ id: DiskID, from present: UInt64, to size: UInt64) -> DiskError {
        DiskError(
            .invalid,
            "disk \(id) has \(present) bytes and cannot shrink to \(size); create a smaller disk"
                + " and copy the files")
    }

    static func invalidSize(_ size: UInt64) -> DiskError {
        DiskError(
            .invalid,
            "\(size) bytes is not a disk size: it must be a multiple of 4096, from 4 KiB to 32 TiB")
    }
}
