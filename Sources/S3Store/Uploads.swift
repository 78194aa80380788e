import ChunkStore
import Scheduling
import Synchronization

/// The chunks that this host knows, and the threads that put them into the bucket.
///
/// Invariants:
/// - A chunk that waits for its upload, or that somebody has open, is in `chunks`.
/// - Chunks of one group are published in their order.
/// - Nothing here is locked while the bucket or the cache is asked.
final class Uploads: @unchecked Sendable {
    // @unchecked: what changes is guarded by `monitor`, or an atomic.
    let bucket: Bucket
    let cache: Cache
    let options: S3StoreOptions
    let threads: any Threads
    let time: any StoreTime
    let gate: LeaseGate
    let monitor: Monitor
    private let uses = Atomic<UInt64>(0)

    // Guarded by `monitor`.
    private var chunks: [ObjectName: CachedChunk] = [:]
    private var lastOrder: UInt64 = 0
    private var running: [any RunningThread] = []
    private var isStarted = false
    private var isStopping = false
    /// Chunks that a thread works at, so that no other takes them.
    private var taken: Set<ObjectName> = []
    /// To be put anew, as one or without what is dead.
    private var anew: Set<ObjectName> = []
    private var ahead: [(chunk: CachedChunk, pages: Range<Int>)] = []
    /// Why the last attempt to upload failed; nil after one that did not.
    private var failure: StoreError?
    private var compactedUntil = Duration.zero

    init(
        bucket: Bucket, cache: Cache, options: S3StoreOptions, threads: any Threads,
        time: any StoreTime, gate: LeaseGate
    ) {
        self.bucket = bucket
        self.cache = cache
        self.options = options
        self.threads = threads
        self.time = time
        self.gate = gate
        monitor = threads.makeMonitor()
    }

    func milliseconds() -> UInt64 {
        UInt64(max(1, time.now().wholeNanoseconds / 1_000_000))
    }

    // MARK: The table

    /// What a process before this one left in the cache. Nothing is uploaded yet.
    func load() throws(StoreError) {
        for found in try cache.chunks() {
            let chunk = make(found.name, length: found.length, isWhole: found.isWhole)
            if found.isWaiting {
                chunk.isMarked.store(true, ordering: .releasing)
                // Which of its pages are in the bucket nobody knows any more.
                chunk.waiting.insertAll()
                chunk.waitingSince.store(milliseconds(), ordering: .releasing)
            } else if !found.isWhole {
                guard let pages = try cache.takeMap(of: found.name, limit: chunk.pageCount) else {
                    try cache.removePart(found.name)
                    continue
                }
                chunk.resume(with: pages)
            }
            monitor.withLock { chunks[found.name] = chunk }
        }
    }

    /// Another has had the store since: what waits here never becomes part of it.
    func forgetWaiting() throws(StoreError) {
        try cache.forgetWaiting()
        monitor.withLock {
            chunks = chunks.filter { !$0.value.isMarked.load(ordering: .acquiring) }
        }
    }

    private func make(_ name: ObjectName, length: UInt64, isWhole: Bool) -> CachedChunk {
        let order = monitor.withLock {
            lastOrder += 1
            return lastOrder
        }
        return CachedChunk(
            name: name, length: length, order: order, isWhole: isWhole, bucket: bucket,
            cache: cache, threads: threads)
    }

    /// Whether this host knows a chunk of that name.
    func knows(_ name: ObjectName) -> Bool { monitor.withLock { chunks[name] != nil } }

    /// A chunk that this host knows, opened; every opening has its `closed`.
    func open(_ name: ObjectName) -> CachedChunk? {
        monitor.withLock {
            chunks[name]?.handles += 1
            return chunks[name]
        }
    }

    /// Of all chunks that this host knows, or of those that may not be in the bucket yet.
    func names(onlyWaiting: Bool) -> [ObjectName] {
        monitor.withLock {
            chunks.values.filter { !onlyWaiting || $0.isMarked.load(ordering: .acquiring) }
                .map(\.name)
        }
    }

    /// A new chunk, opened: it is in the bucket when it is published.
    func create(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> CachedChunk {
        let chunk = make(name, length: length, isWhole: true)
        // Marked before there is a file: one without the mark counts as a copy.
        try cache.markWaiting(name)
        chunk.isMarked.store(true, ordering: .releasing)
        // What is left of one that this host had under the name before.
        try cache.removeWhole(name)
        let file = try cache.createWhole(name, length: length, beginning: beginning)
        chunk.monitor.withLock {
            chunk.local = file
            chunk.isIndexKnown = true
        }
        chunk.waiting.insert(
            PageSet.pages(0, UInt64(max(1, beginning.count))).clamped(
                to: 0..<chunk.pageCount))
        chunk.waitingSince.store(milliseconds(), ordering: .releasing)
        let isNew = monitor.withLock {
            if chunks[name] != nil { return false }
            chunks[name] = chunk
            chunk.handles = 1
            return true
        }
        guard isNew else {
            throw StoreError(.alreadyExists, operation: "create \(name)", cause: "file exists")
        }
        return chunk
    }

    /// One that the bucket has, and this host has nothing of, opened.
    func adopt(_ name: ObjectName, length: UInt64) throws(StoreError) -> CachedChunk {
        try start()
        let chunk = make(name, length: length, isWhole: false)
        return monitor.withLock {
            let opened = chunks[name] ?? chunk
            chunks[name] = opened
            opened.handles += 1
            return opened
        }
    }

    func remove(_ name: ObjectName) throws(StoreError) {
        let chunk = monitor.withLock { chunks[name] }
        if let chunk {
            chunk.monitor.withLock {
                while chunk.isPublishing { chunk.monitor.wait() }
                chunk.isRemoved = true
            }
        }
        // The index first: what it leads to is nothing without it.
        try bucket.objects.delete(Bucket.index(name))
        for object in try bucket.objects.list("data/\(name)/", isDeep: true).objects {
            try bucket.objects.delete(object.key)
        }
        try cache.removeWhole(name)
        try cache.removePart(name)
        try cache.unmarkWaiting(name)
        monitor.withLock {
            if chunks[name] === chunk { chunks[name] = nil }
            anew.remove(name)
            monitor.announce()
        }
    }

    func touch(_ chunk: CachedChunk) {
        chunk.lastUse.store(uses.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
    }

    /// A handle was closed. Of a chunk that nobody has open no descriptor is kept, and nothing at
    /// all if this host has none of its bytes.
    func closed(_ chunk: CachedChunk) {
        monitor.withLock {
            chunk.handles -= 1
            letGo(chunk)
        }
    }

    /// Called under `monitor`.
    private func letGo(_ chunk: CachedChunk) {
        guard chunk.handles == 0, chunk.closeIfIdle(), chunk.localBytes == 0 else { return }
        if chunks[chunk.name] === chunk { chunks[chunk.name] = nil }
    }

    // MARK: Waiting and room

    /// Bytes that wait for their upload, and for how many milliseconds the first of them does.
    func backlog() -> (bytes: UInt64, milliseconds: UInt64) {
        let now = milliseconds()
        return monitor.withLock {
            var (bytes, age): (UInt64, UInt64) = (0, 0)
            for chunk in chunks.values where chunk.isMarked.load(ordering: .acquiring) {
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

    /// Something was written that a thread may want to upload at once.
    func noteWritten(_ chunk: CachedChunk) {
        if chunk.isFilled { monitor.withLock { monitor.announce(.work) } }
    }

    func noteDead(_ chunk: CachedChunk) {
        guard chunk.isMostlyDead else { return }
        askAnew(chunk)
    }

    private func askAnew(_ chunk: CachedChunk) {
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
            ahead.append((chunk, pages))
            monitor.announce(.work)
        }
    }

    // MARK: Publishing

    /// Publishes a chunk, and before it those that its log continues.
    func publish(_ chunk: CachedChunk, anew: Bool = false) throws(StoreError) {
        try gate.check("upload \(chunk.name)")
        try chunk.publish(anew: anew) { () throws(StoreError) in
            for earlier in waitingChunks(before: chunk) { try publish(earlier) }
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
    func publishAll(below folder: String?) throws(StoreError) {
        let prefix = folder.map { $0 + "/" } ?? ""
        for chunk in waitingChunks({ $0.name.path.hasPrefix(prefix) }) { try publish(chunk) }
    }

    // MARK: Threads

    /// Starts them, if that was not done.
    func start() throws(StoreError) {
        let isFirst = monitor.withLock {
            defer { isStarted = true }
            return !isStarted
        }
        guard isFirst else { return }
        try threads("upload", options.uploads) { [self] in work() }
        try threads("read ahead", options.uploads) { [self] in fetchAhead() }
        try threads("tick", 1) { [self] in tick() }
    }

    private func threads(
        _ name: String, _ count: Int, _ body: @escaping @Sendable () -> Void
    ) throws(StoreError) {
        for _ in 0..<count {
            do {
                let thread = try threads.start(name: name, body)
                monitor.withLock { running.append(thread) }
            } catch {
                throw StoreError(.io, operation: "start uploading", cause: "\(error)")
            }
        }
    }

    /// Uploads what waits, ends the threads, and keeps what is needed to go on with the cache.
    func close() throws(StoreError) {
        var first: StoreError?
        do {
            if !gate.isFenced { try publishAll(below: nil) }
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
            defer { running = [] }
            return running
        }
        for thread in ending { thread.join() }
        monitor.withLock { (isStarted, isStopping) = (false, false) }
    }

    private func tick() {
        let step = min(options.lag / 4, .milliseconds(200))
        while !monitor.withLock({ isStopping }) {
            time.sleep(for: step)
            gate.tick()
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
                // One that is busy is not asked again and again.
                if (try? chunk.evict()) != true { touch(chunk) }
                monitor.withLock { letGo(chunk) }
            }
        }
    }

    private func upload(_ chunk: CachedChunk, anew: Bool) {
        var failed: StoreError?
        do {
            try publish(chunk, anew: anew)
            if !anew, chunk.isScattered, chunk.waiting.isEmpty { askAnew(chunk) }
        } catch {
            failed = error
        }
        monitor.withLock {
            taken.remove(chunk.name)
            failure = failed
            letGo(chunk)
            monitor.announce()
        }
        // The bucket is not asked without a pause for what it refuses.
        if failed != nil { time.sleep(for: .milliseconds(500)) }
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
                if let chunk = nextToEvict() { return .evict(chunk) }
                monitor.wait(for: .work)
            }
            return nil
        }
    }

    /// Called under `monitor`: the oldest that is filled, or has waited long enough.
    private func nextToPublish() -> CachedChunk? {
        let now = milliseconds()
        let lag = UInt64(max(0, options.lag.wholeNanoseconds / 1_000_000))
        var best: CachedChunk?
        for chunk in chunks.values
        where chunk.isMarked.load(ordering: .acquiring) && !taken.contains(chunk.name) {
            let since = chunk.waitingSince.load(ordering: .acquiring)
            // A quarter of the time is for the upload itself.
            guard since > 0, chunk.isFilled || now >= since + lag * 3 / 4 else { continue }
            if best.map({ chunk.order < $0.order }) ?? true { best = chunk }
        }
        return best
    }

    /// Called under `monitor`: a chunk to be put anew, at the rate that is allowed.
    private func nextAnew() -> CachedChunk? {
        let now = time.now()
        guard now >= compactedUntil else { return nil }
        for name in anew where !taken.contains(name) {
            anew.remove(name)
            guard let chunk = chunks[name], chunk.isMostlyDead || chunk.isScattered else {
                continue
            }
            let seconds = Double(chunk.length) / Double(max(1, options.compactionRate))
            compactedUntil = now + .seconds(seconds)
            return chunk
        }
        return nil
    }

    /// Called under `monitor`: the copy that was used longest ago, if all take too much.
    private func nextToEvict() -> CachedChunk? {
        var total: UInt64 = 0
        var oldest: CachedChunk?
        for chunk in chunks.values {
            let bytes = chunk.localBytes
            total += bytes
            guard bytes > 0, !chunk.isMarked.load(ordering: .acquiring) else { continue }
            let use = chunk.lastUse.load(ordering: .relaxed)
            if oldest.map({ use < $0.lastUse.load(ordering: .relaxed) }) ?? true { oldest = chunk }
        }
        return total > options.cacheBytes ? oldest : nil
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
        }
    }
}
