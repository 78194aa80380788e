import ChunkStore

// What this host has, on its medium.
//
// A medium tells of a failed flush once, to whoever asks first: for Linux the pages are clean then.
// Threads that upload ask as well as those whose flush is to be answered. So flushes of a chunk go
// one after the other, and after one that failed all fail, as long as this process has the chunk.
extension CachedChunk {
    /// Whether the medium failed a flush.
    var hasLost: Bool { monitor.withLock { mediumFailure != nil } }

    /// Makes durable what was written to `file`, and with `isDropping` has the host forget it.
    func makeDurable(
        _ file: any ChunkFile, isDropping: Bool = false
    ) throws(StoreError) {
        try monitor.withLock { () throws(StoreError) in
            while isSynchronizing { monitor.wait() }
            if let mediumFailure { throw mediumFailure }
            isSynchronizing = true
        }
        var failure: StoreError?
        do {
            if isDropping { try file.dropCache() } else { try file.synchronize() }
        } catch {
            failure = error
        }
        monitor.withLock {
            isSynchronizing = false
            if failure?.code != .busy { mediumFailure = failure }
            monitor.announce()
        }
        if let failure { throw failure }
    }
}
