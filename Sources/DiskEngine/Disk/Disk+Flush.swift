import DiskFormat

extension Disk {
    /// Makes every write acknowledged before this call survive power loss.
    ///
    /// Throws `.io` if the medium failed: the session is over then, because what the medium holds
    /// is no longer known. Throws `.sessionOver` ever after.
    public func flush() throws {
        try operation(on: 0, 0) {
            do {
                try makeDurable(to: log.reservedTo)
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
                monitor.announce()
                if !log.closed.isEmpty { monitor.announce(.work) }
            } catch {
                log.isSyncing = false
                let cause = DiskError.wrap(error, while: "flushing disk \(id)")
                fail(cause)
                throw cause
            }
        }
        try checkAlive()
    }
}
