import ChunkStore

// Reading from the bucket what the cache has not.
extension CachedChunk {
    private enum Step {
        case ready(any ChunkFile)
        case again
        case fetch(Range<Int>, any ChunkFile)
    }

    /// Pages that are read together when reads go on where the last one ended.
    private static let readAhead = 256

    /// The file of the cache once it has these pages. `beforeWaiting` is called before it waits for
    /// the bucket.
    func localFile(
        holding pages: Range<Int>, beforeWaiting: () -> Void = {}
    ) throws(StoreError) -> any ChunkFile {
        while true {
            switch try step(towards: pages) {
            case .ready(let file): return file
            case .again: continue
            case .fetch(let run, let file):
                defer {
                    monitor.withLock {
                        fetching.removeAll { $0 == run }
                        monitor.announce()
                    }
                }
                beforeWaiting()
                try fetch(run, into: file)
            }
        }
    }

    /// Begins to fetch pages that are not here, unless somebody does. For reading ahead.
    func fetchAhead(_ pages: Range<Int>) throws(StoreError) {
        if monitor.withLock({ isWhole || isRemoved }) { return }
        _ = try localFile(holding: pages)
    }

    private func step(towards pages: Range<Int>) throws(StoreError) -> Step {
        try monitor.withLock { () throws(StoreError) in
            let file = try openLocal()
            if isWhole { return .ready(file) }
            guard let gap = present.firstGap(in: pages) else { return .ready(file) }
            if fetching.contains(where: { $0.overlaps(gap) }) {
                monitor.wait()
                return .again
            }
            let run = extended(gap)
            lastFetchEnd = run.upperBound
            fetching.append(run)
            return .fetch(run, file)
        }
    }

    /// The gap, and what follows it if it is where the last one ended. Called under `monitor`.
    private func extended(_ gap: Range<Int>) -> Range<Int> {
        guard gap.lowerBound == lastFetchEnd, gap.lowerBound > 0 else { return gap }
        let most = min(pageCount, gap.lowerBound + max(gap.count, Self.readAhead))
        let whole = present.firstGap(in: gap.lowerBound..<most) ?? gap
        let other = fetching.filter { $0.lowerBound >= gap.upperBound }.map(\.lowerBound).min()
        return gap.lowerBound..<max(gap.upperBound, min(whole.upperBound, other ?? most))
    }

    private func fetch(_ pages: Range<Int>, into file: any ChunkFile) throws(StoreError) {
        let range = bytes(of: pages)
        let room = UnsafeMutableRawBufferPointer.allocate(
            byteCount: range.count, alignment: Int(PageSet.pageSize))
        defer { room.deallocate() }
        try fetch(range, into: room)
        for page in pages where dead.contains(page) {
            let start = (page - pages.lowerBound) * Int(PageSet.pageSize)
            UnsafeMutableRawBufferPointer(
                rebasing: room[start..<min(room.count, start + Int(PageSet.pageSize))]
            ).initializeMemory(as: UInt8.self, repeating: 0)
        }
        try file.write(UnsafeRawBufferPointer(room), at: range.lowerBound)
        present.insert(pages)
    }

    /// Reads from the bucket by the index; once more by a new one if what it names is gone, since
    /// the chunk may have been put anew meanwhile.
    private func fetch(
        _ range: Range<UInt64>, into room: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        let index = try knownIndex()
        do {
            try fetch(range, by: index, into: room)
        } catch {
            guard error.code == .notFound else { throw error }
            let now = try knownIndex(asking: index)
            guard now != index else { throw missing(error) }
            do {
                try fetch(range, by: now, into: room)
            } catch {
                throw error.code == .notFound ? missing(error) : error
            }
        }
    }

    /// What is lost is damage of the store, not a chunk that never was.
    private func missing(_ error: StoreError) -> StoreError {
        StoreError(
            .io, operation: "read \(name)",
            cause: "the bucket has lost a part of this chunk (\(error.operation): \(error.cause))")
    }

    private func fetch(
        _ range: Range<UInt64>, by index: ChunkIndex, into room: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        room.initializeMemory(as: UInt8.self, repeating: 0)
        for piece in index.pieces(of: range) {
            let start = Int(piece.offset - range.lowerBound)
            let target = UnsafeMutableRawBufferPointer(
                rebasing: room[start..<start + Int(piece.length)])
            switch piece.source {
            case .inline:
                target.copyBytes(from: index.inline[Int(piece.at)..<Int(piece.at + piece.length)])
            case .object(let object):
                let key = Bucket.data(name, object)
                let part = try bucket.objects.get(key, from: piece.at, into: target)
                guard part.count == target.count else {
                    throw StoreError(
                        .io, operation: "read \(name)",
                        cause: "the bucket's object \(key) has \(part.size) bytes, too few")
                }
            }
        }
    }

    // MARK: The index

    /// The index, which the bucket is asked for once. With `stale` it is asked anew, unless another
    /// one is known by now.
    func knownIndex(asking stale: ChunkIndex? = nil) throws(StoreError) -> ChunkIndex {
        let known = try monitor.withLock { () throws(StoreError) -> ChunkIndex? in
            while isLoadingIndex { monitor.wait() }
            if isIndexKnown, stale == nil || index != stale {
                return index ?? ChunkIndex(length: length)
            }
            isLoadingIndex = true
            return nil
        }
        if let known { return known }
        defer {
            monitor.withLock {
                isLoadingIndex = false
                monitor.announce()
            }
        }
        return try loadIndex()
    }

    @discardableResult
    func loadIndex() throws(StoreError) -> ChunkIndex {
        let found = try CachedChunk.findIndex(of: name, in: bucket)
        if let found, found.index.length != length {
            throw StoreError(
                .foreign, operation: "open \(name)",
                cause: "the bucket has it with \(found.index.length) bytes, the cache with"
                    + " \(length)")
        }
        return monitor.withLock {
            index = found?.index
            tag = found?.tag
            isIndexKnown = true
            return index ?? ChunkIndex(length: length)
        }
    }

    /// nil if the bucket has no such chunk.
    static func findIndex(
        of name: ObjectName, in bucket: Bucket
    ) throws(StoreError) -> (index: ChunkIndex, tag: ObjectTag)? {
        let key = Bucket.index(name)
        guard let found = try bucket.find(key, limit: ChunkIndex.sizeLimit, "open \(name)") else {
            return nil
        }
        guard let index = ChunkIndex(decoding: found.content) else {
            throw StoreError(
                .foreign, operation: "open \(name)",
                cause: "the bucket's object \(key) is no index of a chunk")
        }
        return (index, found.tag)
    }
}
