import ChunkStore

// What waits for its upload, in which order it goes, and who is held back meanwhile.
extension Uploads {
    /// Publishes a chunk, and before it those that its log continues.
    func publish(_ chunk: CachedChunk, anew: Bool = false) throws(StoreError) {
        try chunk.bucket.gate.check("upload \(chunk.name)")
        monitor.withLock { rate.begin(at: time.now()) }
        do {
            let bytes = try chunk.publish(anew: anew) { () throws(StoreError) in
                for earlier in waitingChunks(before: chunk) { try publish(earlier) }
            }
            monitor.withLock { rate.end(bytes: bytes, at: time.now()) }
        } catch {
            monitor.withLock { rate.fail() }
            throw error
        }
        if !anew, chunk.isScattered { askAnew(chunk) }
    }

    /// The same, for as long as the bucket may take: who waits for this would be told of a failure
    /// that ends its session.
    func publishPatiently(_ chunk: CachedChunk) throws(StoreError) {
        try patiently { () throws(StoreError) in try publish(chunk) }
    }

    /// The same for a flush that is to be answered: waits also for a bucket that takes no more, or
    /// has no use for this host's keys. Throws `.busy` if it does not come round: then all of it
    /// waits here still, and the next flush puts it.
    func publishForFlush(_ chunk: CachedChunk) throws(StoreError) {
        let end = time.now() + options.patience
        beginWaiting()
        defer { endWaiting() }
        while true {
            do {
                return try publish(chunk)
            } catch {
                let code = error.code
                guard code.isTransient || code == .noSpace || code == .denied, !chunk.hasLost
                else { throw error }
                guard time.now() < end else {
                    throw StoreError(.busy, operation: error.operation, cause: error.cause)
                }
            }
            time.sleep(for: .milliseconds(200))
        }
    }

    func patiently(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        let end = time.now() + options.patience
        while true {
            do {
                return try body()
            } catch {
                guard error.code.isTransient, time.now() < end else { throw error }
            }
            time.sleep(for: .milliseconds(200))
        }
    }

    private func waitingChunks(before chunk: CachedChunk) -> [CachedChunk] {
        let group = CachedChunk.group(of: chunk.name)
        return waitingChunks { $0.order < chunk.order && CachedChunk.group(of: $0.name) == group }
    }

    private func waitingChunks(_ isMeant: (CachedChunk) -> Bool) -> [CachedChunk] {
        monitor.withLock {
            chunks.values.filter { $0.isMarked.load(ordering: .acquiring) && isMeant($0) }
                .sorted { $0.order < $1.order }
        }
    }

    /// Returns when everything is in the bucket that was written before to chunks below a folder;
    /// nil: to any.
    func publishAll(below folder: String?, isPatient: Bool = true) throws(StoreError) {
        let prefix = folder.map { $0 + "/" } ?? ""
        beginWaiting()
        defer { endWaiting() }
        for chunk in waitingChunks({ $0.name.path.hasPrefix(prefix) }) {
            if isPatient { try publishPatiently(chunk) } else { try publish(chunk) }
        }
    }

    /// Bytes that wait for their upload, and for how many milliseconds the first of them does.
    typealias Backlog = (bytes: UInt64, milliseconds: UInt64)

    func backlog() -> Backlog {
        let now = milliseconds()
        return monitor.withLock {
            var (bytes, age): (UInt64, UInt64) = (0, 0)
            for chunk in chunks.values
            where chunk.isMarked.load(ordering: .acquiring) && !holdings.isLost(chunk.bucket) {
                bytes += chunk.waitingBytes
                let since = chunk.waitingSince.load(ordering: .acquiring)
                let being = chunk.publishingSince.load(ordering: .acquiring)
                for moment in [since, being] where moment > 0 && now > moment {
                    age = max(age, now - moment)
                }
            }
            return (bytes, age)
        }
    }

    var isFull: Bool { monitor.withLock { failure?.code == .noSpace } }
    var lastFailure: StoreError? { monitor.withLock { failure } }

    /// Bytes of this host that chunks take.
    func cachedBytes() -> UInt64 {
        monitor.withLock { Array(chunks.values) }.reduce(0) { $0 + $1.localBytes }
    }

    /// Holds back who would add a chunk while too much waits.
    func waitForRoom(_ operation: String) throws(StoreError) {
        let start = time.now()
        guard backlog().bytes > options.waitingBytes else { return }
        beginWaiting()
        defer { endWaiting() }
        while backlog().bytes > options.waitingBytes {
            if let failure = lastFailure, failure.code == .noSpace || failure.code == .denied {
                throw StoreError(failure.code, operation: operation, cause: "\(failure)")
            }
            if time.now() - start > options.patience {
                let cause = lastFailure.map { ": \($0)" } ?? ""
                throw StoreError(
                    .unanswered, operation: operation,
                    cause: "too much waits for its upload\(cause)")
            }
            monitor.withLock {
                monitor.announce(.work)
                monitor.wait()
            }
        }
    }

    func noteDead(_ chunk: CachedChunk) {
        guard chunk.isMostlyDead else { return }
        askAnew(chunk)
    }

    func askAnew(_ chunk: CachedChunk) {
        monitor.withLock {
            anew.insert(chunk.name)
            monitor.announce(.work)
        }
    }

    func readAhead(_ chunk: CachedChunk, _ pages: Range<Int>) {
        if chunk.monitor.withLock({ chunk.isWhole }) || chunk.present.containsAll(pages) { return }
        monitor.withLock {
            // A hint: what is not fetched soon is fetched when it is read.
            guard ahead.count < options.uploads * 4 else { return }
            // It is open until that is done.
            chunk.handles += 1
            ahead.append((chunk, pages))
            monitor.announce(.work)
        }
    }
}
