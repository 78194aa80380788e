import ChunkStore

// Putting into the bucket what waits here.
//
// An *image* is taken in ascending order: a run of pages leaves `waiting`, is read, and only then
// the next one is looked for. Who writes a part that leads to another part writes the other first
// and has it behind: slots of a chunk have their bodies behind the slot table. So whatever the
// image says of a body that was written before it was taken, the body is in it, or was published.
//
// What was read is made durable here before it is put there. What is put counts when the index
// names it, and not before every earlier chunk of the group has been published with an image that
// was taken later than this one: what this image takes for durable is in the bucket when it is.
extension CachedChunk {
    /// Bytes of a data object; a longer image becomes several.
    private static let objectLimit = UploadRooms.size
    /// An image up to this size is put into the index itself.
    private static let smallImage = 64 << 10
    /// Data objects that a chunk that is filled may lie in before it is put anew as one.
    static let mostObjects = 8

    /// What one publishing puts. Made by the one thread that publishes.
    private final class Image {
        var index: ChunkIndex
        var taken: [Range<Int>] = []
        let room: UnsafeMutableRawBufferPointer
        var used = 0
        /// Parts of `room`: where they come from.
        var parts: [(offset: UInt64, start: Int, count: Int)] = []
        var putObjects: [ChunkIndex.DataObject] = []

        private let rooms: UploadRooms
        private let memory: UploadRoom

        init(index: ChunkIndex, bytes: Int, in rooms: UploadRooms) {
            self.index = index
            self.rooms = rooms
            memory = rooms.take(bytes: bytes)
            room = .init(rebasing: memory.bytes[..<bytes])
        }

        deinit { rooms.giveBack(memory) }
    }

    /// Publishes what waits at this moment. Returns when what waited when it was called is in the
    /// bucket, whoever put it there. `earlier` publishes the earlier chunks of the group.
    ///
    /// With `anew` all of it is put, without what is dead, as one; nothing happens if the chunk is
    /// gone. Returns how many bytes of the chunk were put by this call.
    func publish(
        anew: Bool = false, earlier: () throws(StoreError) -> Void
    ) throws(StoreError) -> UInt64 {
        let mayBegin = monitor.withLock { () -> Bool in
            while isPublishing { monitor.wait() }
            if isRemoved || waiting.isEmpty && !anew { return false }
            isPublishing = true
            return true
        }
        guard mayBegin else {
            try monitor.withLock { () throws(StoreError) in
                if !isRemoved, !isPublishing { try unmarkIfClean() }
            }
            return 0
        }
        defer {
            monitor.withLock {
                isPublishing = false
                monitor.announce()
            }
        }
        let file = try localFile(holding: anew ? 0..<pageCount : 0..<0)
        let known = try knownIndex()
        var base = known
        if anew {
            base = ChunkIndex(length: length)
            base.isCompacted = true
        }
        let bytes = min(
            Self.objectLimit, (waiting.count + (anew ? pageCount : 256)) * Int(PageSet.pageSize))
        let image = Image(index: base, bytes: bytes, in: rooms)
        let leftOut = anew ? dead.runs : []
        let since = waitingSince.exchange(0, ordering: .acquiringAndReleasing)
        publishingSince.store(since, ordering: .releasing)
        defer {
            publishingSince.store(0, ordering: .releasing)
            publishingPages.store(0, ordering: .relaxed)
        }
        do {
            try take(image, of: known, anew: anew, from: file)
            try makeDurable(file)
            try settle(image)
            try earlier()
            try putIndex(image.index)
        } catch {
            // It waits again: nothing says that the bucket has it.
            for pages in image.taken { waiting.insert(pages) }
            if anew { forgetCopies() }
            if since > 0 { waitingSince.store(since, ordering: .releasing) }
            throw error
        }
        for pages in leftOut { dead.remove(pages) }
        try monitor.withLock { () throws(StoreError) in try unmarkIfClean() }
        deleteObjects(of: known, besides: image.index)
        return UInt64(image.taken.reduce(0) { $0 + $1.count }) * PageSet.pageSize
    }

    /// What was to be put anew and is a copy waits for nothing, whether that was done or not.
    private func forgetCopies() {
        monitor.withLock {
            // Whoever writes has marked it under this lock before.
            if !isMarked.load(ordering: .sequentiallyConsistent) { waiting.removeAll() }
        }
    }

    /// Takes the image, and puts of it what does not fit into memory.
    private func take(
        _ image: Image, of known: ChunkIndex, anew: Bool, from file: any ChunkFile
    ) throws(StoreError) {
        if anew {
            // All that was ever put and still lives waits once more; what waits, waits already.
            for extent in known.extents {
                waitAgain(PageSet.pages(extent.offset, extent.length))
            }
        }
        var page = 0
        let most = min(256, image.room.count / Int(PageSet.pageSize))
        while let run = waiting.takeRun(from: page, most: most) {
            image.taken.append(run)
            publishingPages.add(run.count, ordering: .relaxed)
            let range = bytes(of: run)
            if image.used + range.count > image.room.count { try putObject(image) }
            let target = UnsafeMutableRawBufferPointer(
                rebasing: image.room[image.used..<image.used + range.count])
            let count = try file.read(into: target, at: range.lowerBound)
            guard count == range.count else {
                throw StoreError(
                    .io, operation: "upload \(name)", cause: "the cache's file is too short")
            }
            image.parts.append((range.lowerBound, image.used, range.count))
            image.used += range.count
            page = run.upperBound
        }
    }

    private func waitAgain(_ pages: Range<Int>) {
        for page in pages where !dead.contains(page) { waiting.insert(page..<page + 1) }
    }

    /// Puts what is in memory as a data object.
    private func putObject(_ image: Image) throws(StoreError) {
        guard image.used > 0 else { return }
        let object = ChunkIndex.DataObject(
            number: UInt64(image.index.objects.last?.number ?? 0) + 1,
            random: bucket.randomNumber())
        let body = UnsafeRawBufferPointer(rebasing: image.room[..<image.used])
        // Nobody has this key; and whoever meets it without its index lets it be.
        _ = try bucket.objects.put(Bucket.data(name, object), body, if: .always)
        for part in image.parts {
            image.index.place(
                .init(
                    offset: part.offset, length: UInt64(part.count), source: .object(object),
                    at: UInt64(part.start)))
        }
        // The first page lies in the index as well: who opens a chunk begins with it.
        if let first = image.parts.first, first.offset == 0 {
            let count = min(first.count, Int(PageSet.pageSize))
            image.index.place(
                inline: UnsafeRawBufferPointer(
                    rebasing: image.room[first.start..<first.start + count]), at: 0)
        }
        image.parts = []
        image.used = 0
    }

    /// The rest of the image: into the index if it is small, else as a data object.
    private func settle(_ image: Image) throws(StoreError) {
        if image.used > Self.smallImage { return try putObject(image) }
        for part in image.parts {
            image.index.place(
                inline: UnsafeRawBufferPointer(
                    rebasing: image.room[part.start..<part.start + part.count]), at: part.offset)
        }
        image.index.packInline()
        guard image.index.inline.count > ChunkIndex.inlineLimit else { return }
        // What lies in the index goes into an object of its own, all of it.
        let object = ChunkIndex.DataObject(
            number: UInt64(image.index.objects.last?.number ?? 0) + 1,
            random: bucket.randomNumber())
        let inline = image.index.inline
        try putBytes(inline, as: object)
        for extent in image.index.extents where extent.source == .inline {
            image.index.place(
                .init(
                    offset: extent.offset, length: extent.length, source: .object(object),
                    at: extent.at))
        }
        image.index.inline = []
    }

    private func putBytes(
        _ bytes: [UInt8], as object: ChunkIndex.DataObject
    ) throws(StoreError) {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        defer { room.deallocate() }
        room.copyBytes(from: bytes)
        _ = try bucket.objects.put(
            Bucket.data(name, object), UnsafeRawBufferPointer(room), if: .always)
    }

    /// Puts the index in place of the one that is known. If there is another one it must be this
    /// host's own, of a process that ended while its put was on the way.
    private func putIndex(_ new: ChunkIndex) throws(StoreError) {
        let key = Bucket.index(name)
        let content = new.encoded()
        var old = monitor.withLock { tag }
        while true {
            do {
                let condition = old.map(PutCondition.tag) ?? .absent
                let put = try bucket.put(key, content, if: condition, "upload \(name)")
                monitor.withLock {
                    index = new
                    tag = put
                    isIndexKnown = true
                }
                return
            } catch {
                guard error.code == .conflict || error.code == .alreadyExists else { throw error }
                let found = try bucket.find(key, limit: ChunkIndex.sizeLimit, "upload \(name)")
                let epoch = bucket.epoch.load(ordering: .acquiring)
                // What was removed stays so; and under one epoch only this process puts.
                guard let found, found.tag != old, found.envelope.epoch <= epoch, epoch > 0
                else { throw error }
                old = found.tag
            }
        }
    }

    /// What no index names any more. What is left of it by a failure goes with the chunk.
    private func deleteObjects(of old: ChunkIndex, besides new: ChunkIndex) {
        let kept = Set(new.objects)
        for object in old.objects where !kept.contains(object) {
            try? bucket.objects.delete(Bucket.data(name, object))
        }
    }
}
