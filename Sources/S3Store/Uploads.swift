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
    let holdings: Holdings
    let cache: Cache
    let options: S3StoreOptions
    let threads: any Threads
    let time: any StoreTime
    let monitor: Monitor
    let rooms: UploadRooms
    /// Chunks that were dropped from the cache, with what was in them and in no bucket.
    let forgotten = Atomic<Int>(0)
    let uses = Atomic<UInt64>(0)
    /// Calls that do not return before something was uploaded.
    let waiters = Atomic<Int>(0)
    /// Whether full chunks wait for those who write; see `Uploads+Pace.swift`.
    let isHoldingBack = Atomic<Bool>(false)
    /// When something was written last, in milliseconds of the store's clock.
    let lastWrite = Atomic<UInt64>(0)

    // Guarded by `monitor`.
    var chunks: [ObjectName: CachedChunk] = [:]
    var lastOrder: UInt64 = 0
    var running: [any RunningThread] = []
    /// Those of them that upload.
    var uploaders: [any RunningThread] = []
    var isStarted = false
    var isStopping = false
    /// Chunks that a thread works at, so that no other takes them. They stay in `chunks`: another
    /// of that name would have the same files.
    var taken: Set<ObjectName> = []
    /// To be put anew, as one or without what is dead.
    var anew: Set<ObjectName> = []
    var ahead: [(chunk: CachedChunk, pages: Range<Int>)] = []
    /// Why the last attempt to upload failed; nil after one that did not.
    var failure: StoreError?
    var rate: UploadRate
    var compactedUntil = Duration.zero
    /// Copies that are to go.
    var evictions: [CachedChunk] = []

    init(
        holdings: Holdings, cache: Cache, options: S3StoreOptions, threads: any Threads,
        time: any StoreTime
    ) {
        self.holdings = holdings
        self.cache = cache
        self.options = options
        self.threads = threads
        self.time = time
        monitor = threads.makeMonitor()
        rooms = UploadRooms(most: options.uploads)
        rate = UploadRate(least: options.leastRated)
    }

    func milliseconds() -> UInt64 {
        UInt64(max(1, time.now().wholeNanoseconds / 1_000_000))
    }

    // MARK: The table

    /// What the cache has below a folder, or all of it. Nothing is uploaded yet.
    func load(below folder: ObjectName?) throws(StoreError) {
        for found in try cache.chunks(below: folder) {
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

    private func make(_ name: ObjectName, length: UInt64, isWhole: Bool) -> CachedChunk {
        let order = monitor.withLock {
            lastOrder += 1
            return lastOrder
        }
        return CachedChunk(
            name: name, length: length, order: order, isWhole: isWhole,
            bucket: holdings[name], cache: cache, rooms: rooms, threads: threads)
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
    func adopt(
        _ name: ObjectName, index: ChunkIndex, tag: ObjectTag
    ) throws(StoreError) -> CachedChunk {
        try start()
        let chunk = make(name, length: index.length, isWhole: false)
        chunk.monitor.withLock {
            (chunk.index, chunk.tag, chunk.isIndexKnown) = (index, tag, true)
        }
        return monitor.withLock {
            let opened = chunks[name] ?? chunk
            chunks[name] = opened
            opened.handles += 1
            return opened
        }
    }

    /// A first put of the index whose answer was lost may arrive after this, and bring back an
    /// index that leads to nothing but the chunk's first page, which lies in it. That harms nobody:
    /// - The engine never gives a number to a second chunk (`Lineage.beginSession`).
    /// - In front of where a log is replayed from nothing is read, and the next walk of the maps
    ///   removes what it does not reach.
    /// - Behind an end that a session has recorded nothing is read but the header, which is in the
    ///   first page; whoever begins the next session removes it.
    /// - One that was made ahead and never used holds its header alone, all of it in the index: it
    ///   is as if the process had been killed before it was removed.
    /// - Of a lineage that was deleted it is told as a folder without a disk, to be removed.
    func remove(_ name: ObjectName) throws(StoreError) {
        let chunk = monitor.withLock { chunks[name] }
        if let chunk {
            chunk.monitor.withLock {
                while chunk.isPublishing { chunk.monitor.wait() }
                chunk.isRemoved = true
            }
        }
        let bucket = holdings[name]
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
    func letGo(_ chunk: CachedChunk) {
        guard chunk.handles == 0, !taken.contains(chunk.name), chunk.closeIfIdle(),
            chunk.localBytes == 0
        else { return }
        if chunks[chunk.name] === chunk { chunks[chunk.name] = nil }
    }
}
