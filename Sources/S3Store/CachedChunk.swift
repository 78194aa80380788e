import ChunkStore
import Scheduling
import Synchronization

/// A chunk as this host has it: a file of the cache that holds all its bytes or some, and the index
/// that says where the bucket has them.
///
/// Invariants:
/// - Pages in `waiting` were written here and are not in the bucket, or not as they are. There are
///   some only while the file is whole and `isMarked`, durably.
/// - Of a file that is not whole, `present` are the pages that it has.
/// - One thread at a time publishes (`CachedChunk+Publish.swift`); each page is fetched by one
///   (`CachedChunk+Fetch.swift`).
final class CachedChunk: @unchecked Sendable {
    // @unchecked: what changes is guarded by `monitor`, or an atomic.
    let name: ObjectName
    let length: UInt64
    /// Chunks are published in this order among those whose names have the same two folders in
    /// front: no log is in the bucket without what it continues.
    let order: UInt64
    let bucket: Bucket
    let cache: Cache
    let rooms: UploadRooms
    let monitor: Monitor
    /// Calls of a file that is being written to; see `unmarkIfClean`.
    let writers = Atomic<Int>(0)
    let isMarked = Atomic<Bool>(false)
    let lastUse = Atomic<UInt64>(0)
    /// When the oldest of `waiting` was written, in milliseconds of the store's clock; 0: none.
    let waitingSince = Atomic<UInt64>(0)
    /// The same of what is being published.
    let publishingSince = Atomic<UInt64>(0)
    let publishingPages = Atomic<Int>(0)
    /// After an upload that failed, when the next may begin.
    let notBefore = Atomic<UInt64>(0)
    let waiting: PageSet
    let present: PageSet
    /// Given back by the caller: read as zeros, and left out when the chunk is put anew.
    let dead: PageSet

    // Guarded by `monitor`.
    var local: (any ChunkFile)?
    var isWhole: Bool
    /// What the bucket has, if anything, once that is known.
    var index: ChunkIndex?
    var tag: ObjectTag?
    var isIndexKnown = false
    var isLoadingIndex = false
    var isRemoved = false
    var isPublishing = false
    var isSynchronizing = false
    /// Why what was written here may not be on the medium.
    var mediumFailure: StoreError?
    var fetching: [Range<Int>] = []
    /// Where the last read from the bucket ended: who goes on there reads in order.
    var lastFetchEnd = 0

    /// Who has it open. Guarded by the table that it is in.
    var handles = 0

    init(
        name: ObjectName, length: UInt64, order: UInt64, isWhole: Bool, bucket: Bucket,
        cache: Cache, rooms: UploadRooms, threads: any Threads
    ) {
        self.name = name
        self.length = length
        self.order = order
        self.isWhole = isWhole
        self.bucket = bucket
        self.cache = cache
        self.rooms = rooms
        monitor = threads.makeMonitor()
        let pages = Int((length + PageSet.pageSize - 1) / PageSet.pageSize)
        waiting = PageSet(limit: pages)
        present = PageSet(limit: pages)
        dead = PageSet(limit: pages)
    }

    var pageCount: Int { waiting.limit }

    /// The folder of the folder of a name.
    static func group(of name: ObjectName) -> Substring {
        name.components.dropLast(2).last.map { name.path[..<$0.endIndex] } ?? ""
    }

    /// Where bytes of pages lie; the last page may be shorter.
    func bytes(of pages: Range<Int>) -> Range<UInt64> {
        let start = UInt64(pages.lowerBound) * PageSet.pageSize
        return start..<max(start, min(length, UInt64(pages.upperBound) * PageSet.pageSize))
    }

    /// Bytes of this host that the file takes, or may take.
    var localBytes: UInt64 {
        monitor.withLock { isWhole ? length : UInt64(present.count) * PageSet.pageSize }
    }

    /// What is not in the bucket, also if it is on its way.
    var waitingBytes: UInt64 {
        UInt64(waiting.count + publishingPages.load(ordering: .relaxed)) * PageSet.pageSize
    }

    /// Whether the last page was written: then nothing more is to come.
    var isFilled: Bool { pageCount > 0 && waiting.contains(pageCount - 1) }

    // MARK: The file

    /// The file of the cache, opened or made as needed. Called under `monitor`.
    func openLocal() throws(StoreError) -> any ChunkFile {
        if let local { return local }
        let file: any ChunkFile
        if isWhole {
            file = try cache.openWhole(name)
        } else if present.isEmpty {
            file = try cache.createPart(name, length: length)
        } else {
            file = try cache.openPart(name)
        }
        local = file
        return file
    }

    /// Makes the file hold everything, so that it can be written to.
    func makeWhole() throws(StoreError) {
        let part = try localFile(holding: 0..<pageCount)
        try monitor.withLock { () throws(StoreError) in
            // What is put anew at this moment is read from the part.
            while isPublishing { monitor.wait() }
            if isWhole { return }
            let file = try cache.beginFilling(name, length: length)
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
            defer { room.deallocate() }
            var offset: UInt64 = 0
            while offset < length {
                let count = try part.read(into: room, at: offset)
                guard count > 0 else { break }
                try file.write(UnsafeRawBufferPointer(rebasing: room[..<count]), at: offset)
                offset += UInt64(count)
            }
            try file.synchronize()
            try cache.endFilling(name)
            local = file
            isWhole = true
            try cache.removePart(name)
        }
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, beforeWaiting: () -> Void
    ) throws(StoreError) -> Int {
        guard offset < length, buffer.count > 0 else { return 0 }
        let count = min(UInt64(buffer.count), length - offset)
        let file = try localFile(
            holding: PageSet.pages(offset, count), beforeWaiting: beforeWaiting)
        return try file.read(into: buffer, at: offset, beforeWaiting: beforeWaiting)
    }

    /// Runs `body` with a file that is whole and marked as waiting until `body` has said what it
    /// wrote.
    func writing<R>(_ body: (any ChunkFile) throws(StoreError) -> R) throws(StoreError) -> R {
        while true {
            writers.add(1, ordering: .sequentiallyConsistent)
            defer { writers.subtract(1, ordering: .sequentiallyConsistent) }
            if isMarked.load(ordering: .sequentiallyConsistent) {
                let file = try monitor.withLock { () throws(StoreError) in try openLocal() }
                return try body(file)
            }
            try mark()
        }
    }

    private func mark() throws(StoreError) {
        if !monitor.withLock({ isWhole }) { try makeWhole() }
        try monitor.withLock { () throws(StoreError) in
            guard isWhole, !isMarked.load(ordering: .sequentiallyConsistent) else { return }
            // What was removed keeps its bytes for who has it open, and nothing waits for it.
            if !isRemoved { try cache.markWaiting(name) }
            isMarked.store(true, ordering: .sequentiallyConsistent)
        }
    }

    /// Ends the wait of a chunk that has nothing more to wait for. Called under `monitor`.
    /// A writer looks at the mark after it has counted itself; this looks at the writers after it
    /// has taken the mark back: one of them sees the other.
    func unmarkIfClean() throws(StoreError) {
        guard isMarked.load(ordering: .sequentiallyConsistent) else { return }
        isMarked.store(false, ordering: .sequentiallyConsistent)
        guard writers.load(ordering: .sequentiallyConsistent) == 0, waiting.isEmpty else {
            isMarked.store(true, ordering: .sequentiallyConsistent)
            return
        }
        waitingSince.store(0, ordering: .releasing)
        if !isRemoved { try cache.unmarkWaiting(name) }
    }

    /// Gives up this host's copy, if the bucket has everything and nobody is busy with it. True if
    /// it did.
    func evict() throws(StoreError) -> Bool {
        try monitor.withLock { () throws(StoreError) in
            guard !isMarked.load(ordering: .sequentiallyConsistent), fetching.isEmpty,
                !isPublishing, writers.load(ordering: .sequentiallyConsistent) == 0, !isRemoved
            else { return false }
            if isWhole {
                try cache.removeWhole(name)
            } else {
                try cache.removePart(name)
            }
            isWhole = false
            local = nil
            present.removeAll()
            return true
        }
    }

    /// Nobody has it open: the descriptor goes, if nobody is busy with it. True if it did.
    func closeIfIdle() -> Bool {
        monitor.withLock {
            guard !isMarked.load(ordering: .sequentiallyConsistent), fetching.isEmpty,
                !isPublishing, writers.load(ordering: .sequentiallyConsistent) == 0
            else { return false }
            local = nil
            return true
        }
    }
}
