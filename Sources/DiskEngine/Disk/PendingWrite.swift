import DiskFormat

/// A write whose slots are written, but not yet all slots before them.
public struct PendingWrite: Sendable {
    let disk: Disk
    let position: UInt64
    /// Where on the disk it begins, in bytes, for messages.
    let offset: UInt64

    /// Returns when it is acknowledged. Throws `.sessionOver` if the session ends before.
    public func wait() throws {
        try disk.monitor.withLock {
            do {
                try disk.waitUntilWritten(to: position)
            } catch {
                throw disk.located(error, at: offset, "writing")
            }
        }
    }

    /// Calls `tell` once, when it is acknowledged or the session is over: at once, or on the thread
    /// that makes it so. It must take moments, and not call the disk.
    public func whenWritten(_ tell: @escaping @Sendable (DiskError?) -> Void) {
        let outcome = disk.monitor.withLock { () -> Result<Void, DiskError>? in
            if disk.log.writtenTo >= position { return .success(()) }
            if let failure = disk.log.failure { return .failure(disk.sessionOver(failure)) }
            disk.log.acknowledge(position, tell)
            return nil
        }
        switch outcome {
        case .success: tell(nil)
        case .failure(let error): tell(error)
        case nil: break
        }
    }
}
