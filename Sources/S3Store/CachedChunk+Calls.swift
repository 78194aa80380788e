import ChunkStore

// The calls of `ChunkFile` that change something.
extension CachedChunk {
    func write(
        _ buffer: UnsafeRawBufferPointer, at offset: UInt64, now: UInt64
    ) throws(StoreError) {
        let pages = PageSet.pages(offset, UInt64(buffer.count))
        try writing { file throws(StoreError) in
            // Also after a failure: any part of it may have been written.
            defer { noteWritten(pages, now: now) }
            try file.write(buffer, at: offset)
        }
    }

    private func noteWritten(_ pages: Range<Int>, now: UInt64) {
        waiting.insert(pages)
        dead.remove(pages)
        if waitingSince.load(ordering: .relaxed) == 0 {
            _ = waitingSince.compareExchange(
                expected: 0, desired: max(1, now), ordering: .acquiringAndReleasing)
        }
    }

    func synchronizeLocally() throws(StoreError) {
        let file = monitor.withLock { isWhole ? local : nil }
        // Of what was not opened nothing was written, and what is a copy needs not be durable.
        if let file { try makeDurable(file) }
    }

    /// What is read next comes from the medium: of a copy that is the bucket.
    func dropCache() throws(StoreError) {
        let file = try monitor.withLock { () throws(StoreError) -> (any ChunkFile)? in
            if isWhole { return try openLocal() }
            present.removeAll()
            return nil
        }
        if let file { try makeDurable(file, isDropping: true) }
    }

    /// As far as it is a copy; what the bucket has not is what the medium has.
    func forget(_ pages: Range<Int>) {
        let file = monitor.withLock { () -> (any ChunkFile)? in
            if !isWhole { present.remove(pages) }
            return isWhole ? local : nil
        }
        let range = bytes(of: pages)
        file?.forget(at: range.lowerBound, length: UInt64(range.count))
    }

    /// Whole pages become dead; of others the part is written as zeros.
    func deallocate(_ range: Range<UInt64>, now: UInt64) throws(StoreError) {
        let size = PageSet.pageSize
        let first = Int((range.lowerBound + size - 1) / size)
        let end = range.upperBound == length ? pageCount : Int(range.upperBound / size)
        let pages = first..<max(first, end)
        let inner = bytes(of: pages)
        if pages.isEmpty { return try writeZeros(range, now: now) }
        try writeZeros(range.lowerBound..<inner.lowerBound, now: now)
        try writeZeros(inner.upperBound..<max(inner.upperBound, range.upperBound), now: now)
        dead.insert(pages)
        waiting.remove(pages)
        let file = try monitor.withLock { () throws(StoreError) in
            let file = try openLocal()
            if !isWhole { present.insert(pages) }
            return file
        }
        try file.deallocate(at: inner.lowerBound, length: UInt64(inner.count))
    }

    private func writeZeros(_ range: Range<UInt64>, now: UInt64) throws(StoreError) {
        guard !range.isEmpty else { return }
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: range.count, alignment: 16)
        defer { room.deallocate() }
        room.initializeMemory(as: UInt8.self, repeating: 0)
        try write(UnsafeRawBufferPointer(room), at: range.lowerBound, now: now)
    }

    /// What the chunk takes: all of it, until it was put anew without what is dead.
    var allocated: UInt64 {
        let stored = monitor.withLock { index.flatMap { $0.isCompacted ? $0.storedBytes : nil } }
        return stored ?? UInt64(pageCount) * PageSet.pageSize
    }

    /// Whether most of what the bucket has of it is dead.
    var isMostlyDead: Bool {
        let stored = monitor.withLock { index?.storedBytes ?? 0 } / PageSet.pageSize
        return stored > 0 && UInt64(dead.count) * 2 > stored
    }

    /// What putting it anew moves: what lives of it goes there, and what is not here of that has to
    /// come first.
    var bytesToPutAnew: UInt64 {
        let (stored, missing) = monitor.withLock {
            (index?.storedBytes ?? 0, isWhole ? 0 : pageCount - present.count)
        }
        let living = stored - min(stored, UInt64(dead.count) * PageSet.pageSize)
        return living + min(living, UInt64(missing) * PageSet.pageSize)
    }

    /// Whether it lies in so many pieces that it is better put anew, and nothing more is to come.
    var isScattered: Bool {
        monitor.withLock {
            guard let index, index.objects.count > Self.mostObjects else { return false }
            return index.extents.last?.end == length
        }
    }
}

// Over a restart.
extension CachedChunk {
    /// Goes on with a part that an earlier process has read.
    func resume(with pages: [Range<Int>]) {
        for run in pages { present.insert(run) }
    }

    /// Says durably which pages the part has, after the pages are durable.
    func keepMap() throws(StoreError) {
        let isPart = monitor.withLock { !isWhole && !isRemoved && !present.isEmpty }
        guard isPart else { return }
        try monitor.withLock { () throws(StoreError) in try openLocal() }.synchronize()
        try cache.keepMap(of: name, present.runs)
    }
}
