/// The contents of one file in memory: sparse pages, and what a power cut would undo.
///
/// Invariant: `undo` holds, for every page changed since the last `synchronize()`, the page as it
/// was then; so `pages` overlaid with `undo` is what the medium holds for certain.
struct MemoryFile: Sendable {
    private(set) var length: UInt64
    private var pages: [UInt64: MemoryPage] = [:]
    private var undo: [UInt64: MemoryPage] = [:]
    /// Pages that have space of their own, whether or not they were written.
    private(set) var allocatedPages: UInt64
    /// Open handles; a file without a name lives as long as it has one.
    var handles = 0
    var isNamed = true

    init(length: UInt64) {
        self.length = length
        allocatedPages = Self.pageCount(length)
    }

    /// A file that begins with these bytes, durably.
    init(length: UInt64, beginning: [UInt8]) {
        self.init(length: length)
        beginning.withUnsafeBytes { write($0, at: 0) }
        synchronize()
    }

    /// A file of these contents, all of them durable.
    init(bytes: [UInt8]) { self.init(length: UInt64(bytes.count), beginning: bytes) }

    static func pageCount(_ length: UInt64) -> UInt64 {
        let size = UInt64(MemoryPage.size)
        return length / size + (length % size == 0 ? 0 : 1)
    }

    /// Every byte of the file.
    var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Int(length)) { buffer, count in
            count = read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Int {
        guard offset < length else { return 0 }
        let count = min(buffer.count, Int(min(length - offset, UInt64(Int.max))))
        for piece in pieces(of: count, at: offset) {
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer[piece.range])
            (pages[piece.page] ?? .blank).read(into: target, at: piece.offset)
        }
        return count
    }

    /// Pages without space of their own that a write of this range would need.
    func holes(in count: Int, at offset: UInt64) -> UInt64 {
        guard allocatedPages < Self.pageCount(length) else { return 0 }
        var holes: UInt64 = 0
        for piece in pieces(of: count, at: offset)
        where !(pages[piece.page] ?? .blank).isAllocated {
            holes += 1
        }
        return holes
    }

    /// The range must lie within the file.
    mutating func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) {
        allocatedPages += holes(in: buffer.count, at: offset)
        for piece in pieces(of: buffer.count, at: offset) {
            remember(piece.page)
            let source = UnsafeRawBufferPointer(rebasing: buffer[piece.range])
            pages[piece.page, default: .blank].write(source, at: piece.offset)
        }
    }

    /// Frees whole pages of the range and zeroes the rest of it, as a punched hole does; or zeroes
    /// all of it.
    mutating func deallocate(_ count: Int, at offset: UInt64, givingBack: Bool) {
        for piece in pieces(of: count, at: offset) {
            let page = pages[piece.page] ?? .blank
            let end = offset + UInt64(piece.range.upperBound)
            if piece.offset == 0, piece.range.count == MemoryPage.size || end == length {
                remember(piece.page)
                allocatedPages -= page.isAllocated && givingBack ? 1 : 0
                pages[piece.page] = MemoryPage(
                    bytes: [], isAllocated: page.isAllocated && !givingBack)
            } else if !page.bytes.isEmpty {
                remember(piece.page)
                let zeros = [UInt8](repeating: 0, count: piece.range.count)
                zeros.withUnsafeBytes {
                    pages[piece.page, default: .blank].write($0, at: piece.offset)
                }
            }
        }
    }

    /// Another file now, of which all has space: blank at first, then what it held.
    mutating func recycle(beginning: [UInt8], blank: Int) {
        let zeros = [UInt8](repeating: 0, count: blank)
        zeros.withUnsafeBytes { write($0, at: 0) }
        beginning.withUnsafeBytes { write($0, at: 0) }
        for index in pages.keys { pages[index]?.isAllocated = true }
        allocatedPages = Self.pageCount(length)
        handles = 0
        synchronize()
    }

    mutating func synchronize() { undo.removeAll(keepingCapacity: true) }

    /// A power cut: everything since the last `synchronize()` is gone.
    mutating func crash() {
        for (index, page) in undo {
            let now = pages.updateValue(page, forKey: index) ?? .blank
            if now.isAllocated != page.isAllocated {
                allocatedPages = page.isAllocated ? allocatedPages + 1 : allocatedPages - 1
            }
        }
        undo.removeAll()
    }

    private mutating func remember(_ index: UInt64) {
        if undo[index] == nil { undo[index] = pages[index] ?? .blank }
    }

    /// A byte range cut at page boundaries: the page, where in it, and which part of the range.
    private func pieces(
        of count: Int, at offset: UInt64
    ) -> some Sequence<(page: UInt64, offset: Int, range: Range<Int>)> {
        let size = UInt64(MemoryPage.size)
        return sequence(state: 0) { done in
            guard done < count else { return nil }
            let position = offset + UInt64(done)
            let within = Int(position % size)
            let length = min(MemoryPage.size - within, count - done)
            defer { done += length }
            return (position / size, within, done..<done + length)
        }
    }
}
