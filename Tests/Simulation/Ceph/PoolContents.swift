/// What lies in a simulated pool: names, each of which stands for a small object, for the pieces of
/// a chunk or for a reserve; and the locks. Each mutating call is what one order to the cluster
/// does: all of it at one moment, durably, or nothing.
struct PoolContents {
    struct Entry {
        /// No other entry ever has it.
        let id: Int
        let kind: Kind

        /// Bytes that count against the quota, besides the pieces of a chunk.
        var size: Int {
            switch kind {
            case .object(let bytes): bytes.count
            case .chunk: 0
            case .reserve(let size): size
            }
        }
    }

    enum Kind {
        case object([UInt8])
        case chunk(length: Int)
        case reserve(Int)
    }

    struct PieceName: Hashable {
        let chunk: Int
        let number: Int
    }

    private struct Piece {
        /// Zeros behind them.
        var bytes: [UInt8] = []
        /// What counts against the quota.
        var length: Int
    }

    /// What became of an order.
    enum Answer {
        case done
        /// The condition was not met, or there is no such thing.
        case changed
        /// The pool is full, and the order would have made something grow.
        case full
        /// The cluster takes nothing of this client any more.
        case refused
    }

    let pieceSize: Int
    /// The pool is full from the moment on that so much is in it.
    let quota: Int
    private(set) var names: [String: Entry] = [:]
    private(set) var folders: Set<String> = []
    private(set) var used = 0
    private var pieces: [PieceName: Piece] = [:]
    /// The names for which pieces were made: some never get theirs, or lose it.
    private var journal: [Int: String] = [:]
    var locks: [String: PoolLock] = [:]

    init(pieceSize: Int, quota: Int) {
        self.pieceSize = pieceSize
        self.quota = quota
    }

    var isFull: Bool { used >= quota }

    // MARK: Names

    /// What stands for a name changes, if it is the entry of this id that does; nil: none.
    mutating func setEntry(_ path: String, from id: Int?, to entry: Entry?) -> Answer {
        guard names[path]?.id == id else { return .changed }
        let growth = (entry?.size ?? 0) - (names[path]?.size ?? 0)
        if growth > 0, isFull { return .full }
        used += growth
        names[path] = entry
        if entry != nil {
            var components = path.split(separator: "/").dropLast()
            while !components.isEmpty {
                folders.insert(components.joined(separator: "/"))
                components = components.dropLast()
            }
        }
        return .done
    }

    /// The names directly below a folder, and whether each is a folder; in order.
    func list(_ folder: String) -> [(name: String, isFolder: Bool)] {
        let prefix = "\(folder)/"
        func direct(_ path: String) -> String? {
            guard path.hasPrefix(prefix) else { return nil }
            let name = path.dropFirst(prefix.count)
            return name.contains("/") ? nil : String(name)
        }
        let found =
            names.keys.compactMap(direct).map { (name: $0, isFolder: false) }
            + folders.compactMap(direct).map { (name: $0, isFolder: true) }
        return found.sorted { $0.name < $1.name }
    }

    /// Nothing is done if there is still something in it.
    mutating func removeFolder(_ folder: String) -> Answer {
        guard list(folder).isEmpty else { return .changed }
        folders.remove(folder)
        return .done
    }

    // MARK: Pieces

    /// Each piece's share of a range: where it lies in the piece.
    func parts(of range: Range<Int>) -> [(number: Int, range: Range<Int>)] {
        guard !range.isEmpty else { return [] }
        return (range.lowerBound / pieceSize...(range.upperBound - 1) / pieceSize).map { number in
            let start = number * pieceSize
            let part = range.clamped(to: start..<start + pieceSize)
            return (number, part.lowerBound - start..<part.upperBound - start)
        }
    }

    mutating func note(_ chunk: Int, of path: String) { journal[chunk] = path }

    /// A piece of zeros that counts in full.
    mutating func allocate(_ name: PieceName, length: Int) -> Answer {
        if isFull { return .full }
        pieces[name] = Piece(length: length)
        used += length
        return .done
    }

    mutating func write(_ bytes: [UInt8], to name: PieceName, at offset: Int) -> Answer {
        let end = offset + bytes.count
        let growth = max(0, end - (pieces[name]?.length ?? 0))
        if growth > 0, isFull { return .full }
        var piece = pieces[name] ?? Piece(length: 0)
        pieces[name] = nil
        if piece.bytes.count < end {
            piece.bytes += [UInt8](repeating: 0, count: end - piece.bytes.count)
        }
        piece.bytes.replaceSubrange(offset..<end, with: bytes)
        piece.length += growth
        pieces[name] = piece
        used += growth
        return .done
    }

    /// Zeros from now on; that gives back no space.
    mutating func zero(_ range: Range<Int>, of name: PieceName) -> Answer {
        guard var piece = pieces[name] else { return .changed }
        pieces[name] = nil
        let part = range.clamped(to: 0..<piece.bytes.count)
        piece.bytes.replaceSubrange(part, with: [UInt8](repeating: 0, count: part.count))
        pieces[name] = piece
        return .done
    }

    mutating func removePiece(_ name: PieceName) -> Answer {
        guard let piece = pieces.removeValue(forKey: name) else { return .changed }
        used -= piece.length
        return .done
    }

    mutating func removeChunk(_ chunk: Int) {
        for name in pieces.keys where name.chunk == chunk { _ = removePiece(name) }
        journal[chunk] = nil
    }

    /// What is not there is zeros.
    func read(_ range: Range<Int>, of name: PieceName) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        guard let piece = pieces[name] else { return bytes }
        let part = range.clamped(to: 0..<piece.bytes.count)
        if !part.isEmpty { bytes.replaceSubrange(0..<part.count, with: piece.bytes[part]) }
        return bytes
    }

    /// A range of a chunk at this moment.
    func read(_ range: Range<Int>, ofChunk chunk: Int) -> [UInt8] {
        parts(of: range).flatMap {
            read($0.range, of: PieceName(chunk: chunk, number: $0.number))
        }
    }

    /// Bytes of a chunk that count.
    func allocated(_ chunk: Int, length: Int) -> Int {
        parts(of: 0..<length).reduce(0) {
            $0 + (pieces[PieceName(chunk: chunk, number: $1.number)]?.length ?? 0)
        }
    }

    /// Removes the pieces below a folder (nil: all) that have no name.
    mutating func clean(_ folder: String?) {
        let lost = journal.filter { chunk, path in
            folder.map { path.hasPrefix("\($0)/") } ?? true && names[path]?.id != chunk
        }
        for name in pieces.keys where lost[name.chunk] != nil { _ = removePiece(name) }
        for chunk in lost.keys { journal[chunk] = nil }
    }
}

/// A lease, of the store (by the name "") or of a folder.
struct PoolLock {
    struct Holder {
        let client: PoolClient
        let cookie: Int
        let name: String
    }

    /// Who has it, or had it and did not give it back.
    var holder: Holder?
    /// Clients that may still write though they have it no more.
    var expelled: [PoolClient] = []
    /// The cookie of who had it last.
    var last = 0
}
