import ChunkStore
import Scheduling

// The threads: some upload and put copies away, some read ahead, and one tells the time.
extension Uploads {
    /// Starts them, if that was not done.
    func start() throws(StoreError) {
        let isFirst = monitor.withLock {
            defer { isStarted = true }
            return !isStarted
        }
        guard isFirst else { return }
        try threads("upload", options.uploads, isUploader: true) { [self] in work() }
        try threads("read ahead", options.uploads) { [self] in fetchAhead() }
        try threads("tick", 1) { [self] in tick() }
    }

    private func threads(
        _ name: String, _ count: Int, isUploader: Bool = false,
        _ body: @escaping @Sendable () -> Void
    ) throws(StoreError) {
        for _ in 0..<count {
            do {
                let thread = try threads.start(name: name, body)
                monitor.withLock {
                    running.append(thread)
                    if isUploader { uploaders.append(thread) }
                }
            } catch {
                throw StoreError(.io, operation: "start uploading", cause: "\(error)")
            }
        }
    }

    /// Uploads what waits, ends the threads, and keeps what is needed to go on with the cache.
    func close() throws(StoreError) {
        var first: StoreError?
        do {
            // What waits stays in the cache: nobody is kept from leaving by a bucket that is gone.
            if !holdings.whole.gate.isFenced { try publishAll(below: nil, isPatient: false) }
        } catch {
            first = error
        }
        abandon()
        for chunk in monitor.withLock({ Array(chunks.values) }) { try? chunk.keepMap() }
        if let first { throw first }
    }

    /// Ends the threads, whatever waits.
    func abandon() {
        let ending = monitor.withLock {
            isStopping = true
            monitor.announce(.work)
            monitor.announce()
            defer { (running, uploaders) = ([], []) }
            return running
        }
        for thread in ending { thread.join() }
        rooms.letGo()
        monitor.withLock {
            for next in ahead {
                next.chunk.handles -= 1
                letGo(next.chunk)
            }
            ahead = []
            (isStarted, isStopping) = (false, false)
            isHoldingBack.store(false, ordering: .releasing)
        }
    }

    private func tick() {
        let step = min(options.lag / 4, .milliseconds(200))
        while !monitor.withLock({ isStopping }) {
            time.sleep(for: step)
            chooseEvictions()
            let waiting = backlog()
            setPace(for: waiting)
            if waiting.bytes == 0 { rooms.letGo() }
            monitor.withLock {
                monitor.announce(.work)
                monitor.announce()
            }
        }
    }

    private enum Job {
        case publish(CachedChunk, anew: Bool)
        case evict(CachedChunk)
    }

    private func work() {
        while let job = nextJob() {
            switch job {
            case .publish(let chunk, let anew): upload(chunk, anew: anew)
            case .evict(let chunk):
                if (try? chunk.evict()) != true { touch(chunk) }
                monitor.withLock {
                    taken.remove(chunk.name)
                    letGo(chunk)
                }
            }
        }
    }

    private func upload(_ chunk: CachedChunk, anew: Bool) {
        var failed: StoreError?
        do {
            try publish(chunk, anew: anew)
        } catch {
            failed = error
        }
        monitor.withLock {
            taken.remove(chunk.name)
            failure = failed
            // The bucket is not asked without a pause for what it refuses; others go on meanwhile.
            let pause: UInt64 = failed == nil ? 0 : milliseconds() + 500
            chunk.notBefore.store(pause, ordering: .releasing)
            letGo(chunk)
            monitor.announce()
        }
    }

    /// Waits for something to do; nil when there will be nothing more.
    private func nextJob() -> Job? {
        monitor.withLock {
            while !isStopping {
                if let chunk = nextToPublish() {
                    taken.insert(chunk.name)
                    return .publish(chunk, anew: false)
                }
                if let chunk = nextAnew() {
                    taken.insert(chunk.name)
                    return .publish(chunk, anew: true)
                }
                if let chunk = nextToEvict() {
                    taken.insert(chunk.name)
                    return .evict(chunk)
                }
                monitor.wait(for: .work)
            }
            return nil
        }
    }

    /// Called under `monitor`: the oldest that is filled, or has waited long enough.
    private func nextToPublish() -> CachedChunk? {
        let now = milliseconds()
        let takesFull = !isHoldingBack.load(ordering: .acquiring)
        var best: CachedChunk?
        for chunk in chunks.values
        where chunk.isMarked.load(ordering: .acquiring) && !taken.contains(chunk.name) {
            let since = chunk.waitingSince.load(ordering: .acquiring)
            // A quarter of the time is for the upload itself.
            guard since > 0, takesFull && chunk.isFilled || now >= since + lagMilliseconds * 3 / 4,
                now >= chunk.notBefore.load(ordering: .acquiring),
                !chunk.bucket.gate.isFenced,
                // What is being removed, or could not be yet, is never uploaded any more.
                !chunk.monitor.withLock({ chunk.isRemoved })
            else { continue }
            if best.map({ chunk.order < $0.order }) ?? true { best = chunk }
        }
        return best
    }

    /// Called under `monitor`: the chunk that gains most by being put anew, at the rate that is
    /// allowed. What is moved for it counts: one that died for the most part costs little, and is
    /// put anew again and again while it dies. While uploads are held back for somebody who writes
    /// it counts with its length, which is more: without that, a writer had 0.895 of a folder's
    /// speed at depth 16, with it 0.978 (6 rounds).
    private func nextAnew() -> CachedChunk? {
        let now = time.now()
        guard now >= compactedUntil else { return nil }
        var best: (chunk: CachedChunk, dead: Int)?
        for name in anew where !taken.contains(name) {
            guard let chunk = chunks[name], chunk.isMostlyDead || chunk.isScattered else {
                anew.remove(name)
                continue
            }
            let dead = chunk.dead.count
            if best.map({ dead > $0.dead }) ?? true { best = (chunk, dead) }
        }
        guard let chunk = best?.chunk else { return nil }
        anew.remove(chunk.name)
        let isHeldBack = isHoldingBack.load(ordering: .acquiring)
        let bytes = isHeldBack ? chunk.length : chunk.bytesToPutAnew
        let seconds = Double(bytes) / Double(max(1, options.compactionRate))
        compactedUntil = now + .seconds(seconds)
        return chunk
    }

    /// The copies that were used longest ago, as many as are too many. Looked for now and then: who
    /// is busy, or in a cache that refuses, is not asked again and again.
    private func chooseEvictions() {
        monitor.withLock {
            guard evictions.isEmpty else { return }
            var total: UInt64 = 0
            var copies: [(use: UInt64, bytes: UInt64, chunk: CachedChunk)] = []
            for chunk in chunks.values {
                let bytes = chunk.localBytes
                total += bytes
                guard bytes > 0, !chunk.isMarked.load(ordering: .acquiring),
                    !taken.contains(chunk.name)
                else { continue }
                copies.append((chunk.lastUse.load(ordering: .relaxed), bytes, chunk))
            }
            guard total > options.cacheBytes else { return }
            copies.sort { $0.use < $1.use }
            for copy in copies where total > options.cacheBytes {
                evictions.append(copy.chunk)
                total -= copy.bytes
            }
        }
    }

    /// Called under `monitor`. What left the table since it was chosen has its files no more: they
    /// may be another's of that name.
    private func nextToEvict() -> CachedChunk? {
        while let chunk = evictions.popLast() {
            if chunks[chunk.name] === chunk, !taken.contains(chunk.name) { return chunk }
        }
        return nil
    }

    private func fetchAhead() {
        while true {
            let next = monitor.withLock { () -> (chunk: CachedChunk, pages: Range<Int>)? in
                while ahead.isEmpty, !isStopping { monitor.wait(for: .work) }
                return isStopping ? nil : ahead.removeFirst()
            }
            guard let next else { return }
            // Who reads it meets the failure himself.
            try? next.chunk.fetchAhead(next.pages)
            closed(next.chunk)
        }
    }
}
