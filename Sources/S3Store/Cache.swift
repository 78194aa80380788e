import ChunkStore

/// The folder of this host beside a bucket. Below it:
///
/// - `whole/NAME`: a chunk that was made here, with all its bytes.
/// - `part/NAME`: a chunk of which parts were read from the bucket; `map/NAME` says which, of a
///   cache that was closed in order.
/// - `filling/NAME`: that chunk's whole file is being made of its part, and is none yet.
/// - `waiting/NAME`: that chunk's whole file may hold what the bucket has not.
/// - `owner`: whose cache it is, and the epoch of the store's lease that `waiting` is of.
/// - `epochs/NAME`: the same of a folder's lease.
/// - `taking/NAME`: a lease is being taken, and what is waiting is of it, too; `taking/store`: the
///   store's.
///
/// Invariant: what the bucket has of a chunk that is waiting, its whole file has durably.
struct Cache: Sendable {
    let files: any ChunkStore

    /// Bytes and name of everything that is here, as of the last opening.
    struct Chunk {
        let name: ObjectName
        let length: UInt64
        let isWhole: Bool
        let isWaiting: Bool
    }

    static func whole(_ name: ObjectName) -> ObjectName { within("whole", name) }
    static func part(_ name: ObjectName) -> ObjectName { within("part", name) }
    static func map(_ name: ObjectName) -> ObjectName { within("map", name) }
    static func filling(_ name: ObjectName) -> ObjectName { within("filling", name) }
    static func waiting(_ name: ObjectName) -> ObjectName { within("waiting", name) }

    static func within(_ folder: String, _ name: ObjectName) -> ObjectName {
        // A name behind a component is a name, but for one of a thousand characters.
        ObjectName("\(folder)/\(name)") ?? name
    }

    func createWhole(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        try files.createFile(Self.whole(name), length: length, beginning: beginning)
    }

    /// A whole file that counts as none until `endFilling`.
    func beginFilling(
        _ name: ObjectName, length: UInt64
    ) throws(StoreError) -> any ChunkFile {
        try files.replaceObject(Self.filling(name), with: [])
        try removeWhole(name)
        return try createWhole(name, length: length, beginning: [])
    }

    func endFilling(_ name: ObjectName) throws(StoreError) {
        try removeIfThere(Self.filling(name))
    }

    func openWhole(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        try files.openFile(Self.whole(name))
    }

    /// An empty one that takes no space yet.
    func createPart(_ name: ObjectName, length: UInt64) throws(StoreError) -> any ChunkFile {
        try removeIfThere(Self.part(name))
        let file = try files.createFile(Self.part(name), length: length)
        try file.deallocate(at: 0, length: length)
        return file
    }

    func openPart(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        try files.openFile(Self.part(name))
    }

    func removePart(_ name: ObjectName) throws(StoreError) {
        try removeIfThere(Self.part(name))
    }

    func removeWhole(_ name: ObjectName) throws(StoreError) {
        try removeIfThere(Self.whole(name))
    }

    /// Durable before anything is written that the bucket has not.
    func markWaiting(_ name: ObjectName) throws(StoreError) {
        try files.replaceObject(Self.waiting(name), with: [])
    }

    func unmarkWaiting(_ name: ObjectName) throws(StoreError) {
        try removeIfThere(Self.waiting(name))
    }

    func removeIfThere(_ name: ObjectName) throws(StoreError) {
        do {
            try files.remove(name)
        } catch {
            guard error.code == .notFound else { throw error }
        }
    }

    // MARK: Presence, over a restart

    func keepMap(of name: ObjectName, _ pages: [Range<Int>]) throws(StoreError) {
        let text = pages.map { "\($0.lowerBound) \($0.upperBound)\n" }.joined()
        try files.replaceObject(Self.map(name), with: Array(text.utf8))
    }

    /// Takes the map away: it holds until the part changes. nil if there is none that makes sense.
    func takeMap(of name: ObjectName, limit: Int) throws(StoreError) -> [Range<Int>]? {
        let bytes: [UInt8]
        do {
            bytes = try files.readObject(Self.map(name), limit: 1 << 20)
        } catch {
            guard error.code == .notFound || error.code == .tooLarge else { throw error }
            return nil
        }
        try removeIfThere(Self.map(name))
        var pages: [Range<Int>] = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let ends = line.split(separator: " ").compactMap { Int($0) }
            guard ends.count == 2, ends[0] >= 0, ends[0] < ends[1], ends[1] <= limit else {
                return nil
            }
            pages.append(ends[0]..<ends[1])
        }
        return pages
    }

    // MARK: All of it

    /// Every chunk below a folder, or at all, that has a file here, in the order of names.
    func chunks(below folder: ObjectName?) throws(StoreError) -> [Chunk] {
        func names(below top: String) throws(StoreError) -> [ObjectName] {
            try self.names(of: top, below: folder)
        }
        let waiting = Set(try names(below: "waiting"))
        var found: [Chunk] = []
        for name in try names(below: "filling") {
            try removeWhole(name)
            try endFilling(name)
        }
        for name in try names(below: "whole") {
            let length = try files.openFile(Self.whole(name)).size().length
            found.append(
                Chunk(
                    name: name, length: length, isWhole: true, isWaiting: waiting.contains(name)))
        }
        for name in try names(below: "part") {
            let length = try files.openFile(Self.part(name)).size().length
            found.append(Chunk(name: name, length: length, isWhole: false, isWaiting: false))
        }
        return found.sorted { $0.name.path < $1.name.path }
    }

    private func names(
        of top: String, below folder: ObjectName?
    ) throws(StoreError) -> [ObjectName] {
        var folders = [folder.map { "\(top)/\($0)" } ?? top]
        var found: [ObjectName] = []
        while let folder = folders.popLast() {
            guard let name = ObjectName(folder) else { continue }
            for entry in try files.list(name) {
                let path = "\(folder)/\(entry.name)"
                if entry.isFolder {
                    folders.append(path)
                } else if let name = ObjectName(String(path.dropFirst(top.count + 1))) {
                    found.append(name)
                }
            }
        }
        return found
    }

    /// A chunk that is waiting goes, for it never becomes part of the store.
    func forgetWaiting(_ name: ObjectName) throws(StoreError) {
        try removeWhole(name)
        try unmarkWaiting(name)
    }
}
