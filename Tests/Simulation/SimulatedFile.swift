/// A file of the simulated host: what the host's memory has of it, what its medium has for certain,
/// and what was written since, of which a loss of power leaves any part: each sector of 512 bytes
/// as it was, or as any write since the last sync made it.
struct SimulatedFile {
    static let sectorSize = 512
    static let pageSize = 4096

    /// A write's bytes in one sector, and when it was. nil: zeros, by a hole.
    private struct Version {
        let time: Int
        let bytes: [UInt8]?
    }

    /// What is on the medium, and what is in memory.
    private struct Contents {
        var pages: [Int: [UInt8]] = [:]
        var length = 0
        /// Pages that have space.
        var allocated: Set<Int> = []
    }

    private var memory = Contents()
    private var medium = Contents()
    private var versions: [Int: [Version]] = [:]
    private var lengths: [(time: Int, length: Int)] = []
    /// A sync has failed: the medium lacks what memory holds, and nothing says which.
    private var hasLost = false

    var length: Int { memory.length }
    var allocatedPages: Int { memory.allocated.count }
    var hasHole: Bool { memory.allocated.count < Self.pages(of: 0..<memory.length).count }

    static func pages(of bytes: Range<Int>) -> Range<Int> {
        bytes.isEmpty ? 0..<0 : bytes.lowerBound / pageSize..<(bytes.upperBound - 1) / pageSize + 1
    }

    func holes(in bytes: Range<Int>) -> Int {
        Self.pages(of: bytes).reduce(0) { $0 + (memory.allocated.contains($1) ? 0 : 1) }
    }

    func read(_ bytes: Range<Int>) -> [UInt8] {
        let end = min(bytes.upperBound, memory.length)
        guard bytes.lowerBound < end else { return [] }
        var result = [UInt8](repeating: 0, count: end - bytes.lowerBound)
        for index in Self.pages(of: bytes.lowerBound..<end) {
            guard let page = memory.pages[index] else { continue }
            let part = (index * Self.pageSize..<(index + 1) * Self.pageSize)
                .clamped(to: bytes.lowerBound..<end)
            let from = part.lowerBound - index * Self.pageSize
            result.replaceSubrange(
                part.lowerBound - bytes.lowerBound..<part.upperBound - bytes.lowerBound,
                with: page[from..<from + part.count])
        }
        return result
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int, time: Int) {
        guard bytes.count > 0 else { return }
        let range = offset..<offset + bytes.count
        for index in Self.pages(of: range) {
            let start = index * Self.pageSize
            let part = (start..<start + Self.pageSize).clamped(to: range)
            var page = memory.pages[index] ?? [UInt8](repeating: 0, count: Self.pageSize)
            memory.pages[index] = nil
            page.replaceSubrange(
                part.lowerBound - start..<part.upperBound - start,
                with: bytes[part.lowerBound - offset..<part.upperBound - offset])
            memory.pages[index] = page
            memory.allocated.insert(index)
            note(part, of: page, at: start, time)
        }
        if range.upperBound > memory.length { resize(to: range.upperBound, time: time) }
    }

    /// Gives the space of whole pages back and zeroes the rest.
    mutating func punch(_ bytes: Range<Int>, time: Int) {
        for index in Self.pages(of: bytes) {
            let start = index * Self.pageSize
            let part = (start..<start + Self.pageSize).clamped(to: bytes)
            if part.count == Self.pageSize {
                memory.pages[index] = nil
                memory.allocated.remove(index)
                note(part, of: nil, at: start, time)
            } else if var page = memory.pages[index] {
                for place in part { page[place - start] = 0 }
                memory.pages[index] = page
                note(part, of: page, at: start, time)
            }
        }
    }

    mutating func allocate(_ bytes: Range<Int>, time: Int) {
        memory.allocated.formUnion(Self.pages(of: bytes))
        if bytes.upperBound > memory.length { resize(to: bytes.upperBound, time: time) }
    }

    mutating func resize(to length: Int, time: Int) {
        if length < memory.length {
            let kept = (length + Self.pageSize - 1) / Self.pageSize
            memory.pages = memory.pages.filter { $0.key < kept }
            memory.allocated = memory.allocated.filter { $0 < kept }
        }
        memory.length = length
        lengths.append((time, length))
    }

    /// All of it is on the medium.
    mutating func synchronize() {
        if hasLost {
            // What an earlier sync lost is not written again: memory takes it for written.
            persist(upTo: .max)
        } else {
            medium = memory
        }
        versions = [:]
        lengths = []
    }

    /// A sync fails: what was to be written may be on the medium or not, and memory takes it for
    /// written.
    mutating func failToSynchronize(_ generator: inout SeededGenerator) {
        loseSome(&generator)
        versions = [:]
        lengths = []
        hasLost = true
    }

    /// Memory lets go of what it need not write: the next read tells what the medium has.
    mutating func dropClean() {
        guard hasLost, versions.isEmpty, lengths.isEmpty else { return }
        memory = medium
        hasLost = false
    }

    /// The power fails.
    mutating func losePower(_ generator: inout SeededGenerator) {
        loseSome(&generator)
        memory = medium
        versions = [:]
        lengths = []
        hasLost = false
    }

    /// The medium gets any part of what was written since the last sync.
    private mutating func loseSome(_ generator: inout SeededGenerator) {
        switch generator.next() % 8 {
        case 0...1: return
        case 2: persist(upTo: .max)
        case 3...4:
            let times = versions.values.flatMap { $0.map(\.time) }.sorted()
            persist(upTo: generator.pick(times) ?? .max)
        default:
            if let length = generator.pick(lengths) { medium.length = length.length }
            for sector in versions.keys.sorted() {
                let all = versions[sector] ?? []
                let kept = generator.number(in: 0..<all.count + 1)
                if kept > 0 { persist(all[kept - 1], in: sector) }
            }
        }
    }

    private mutating func persist(upTo time: Int) {
        for length in lengths where length.time <= time { medium.length = length.length }
        for (sector, all) in versions {
            if let last = all.last(where: { $0.time <= time }) { persist(last, in: sector) }
        }
        medium.allocated.formUnion(memory.allocated)
    }

    private mutating func persist(_ version: Version, in sector: Int) {
        let place = sector * Self.sectorSize
        let index = place / Self.pageSize
        guard version.bytes != nil || medium.pages[index] != nil else { return }
        var page = medium.pages[index] ?? [UInt8](repeating: 0, count: Self.pageSize)
        let from = place % Self.pageSize
        page.replaceSubrange(
            from..<from + Self.sectorSize,
            with: version.bytes ?? [UInt8](repeating: 0, count: Self.sectorSize))
        medium.pages[index] = page
        medium.allocated.insert(index)
    }

    private mutating func note(_ part: Range<Int>, of page: [UInt8]?, at start: Int, _ time: Int) {
        for sector in part.lowerBound / Self.sectorSize...(part.upperBound - 1) / Self.sectorSize {
            let from = sector * Self.sectorSize - start
            let bytes = page.map { Array($0[from..<from + Self.sectorSize]) }
            versions[sector, default: []].append(Version(time: time, bytes: bytes))
        }
    }
}
