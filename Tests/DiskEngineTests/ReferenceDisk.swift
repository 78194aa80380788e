import DiskFormat

/// What a disk must hold: its bytes as acknowledged, and which states a power cut may leave.
struct ReferenceDisk {
    private(set) var content: [UInt8]
    /// As of the last flush.
    private var durable: [UInt8]
    /// Changes since then, in log order, each atomic: what some blocks became.
    private var changes: [(block: Int, bytes: [UInt8])] = []

    init(_ content: [UInt8]) {
        self.content = content
        durable = content
    }

    var blockCount: Int { content.count / Format.blockSize }

    mutating func write(_ bytes: [UInt8], at offset: Int) {
        content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        for block in offset / 4096...(offset + bytes.count - 1) / 4096 { record(block..<block + 1) }
    }

    /// Partial blocks at the ends are separate changes: they are written, not discarded.
    mutating func discard(at offset: Int, count: Int) {
        let end = offset + count
        let first = (offset + 4095) / 4096
        let last = end / 4096
        content.replaceSubrange(offset..<end, with: repeatElement(0, count: count))
        if first >= last {
            for block in offset / 4096..<(end + 4095) / 4096 { record(block..<block + 1) }
            return
        }
        if offset / 4096 < first { record(first - 1..<first) }
        record(first..<last)
        if last * 4096 < end { record(last..<last + 1) }
    }

    private mutating func record(_ blocks: Range<Int>) {
        let bytes = content[blocks.lowerBound * 4096..<blocks.upperBound * 4096]
        changes.append((blocks.lowerBound, Array(bytes)))
    }

    mutating func flush() {
        durable = content
        changes = []
    }

    mutating func grow(to size: Int) {
        content += [UInt8](repeating: 0, count: size - content.count)
        flush()
    }

    /// Takes what a power cut left, if it is the flushed state and some prefix of what came after;
    /// false if it is not.
    mutating func accept(afterPowerCut found: [UInt8]) -> Bool {
        guard found.count == durable.count else { return false }
        var state = durable
        var matches = state == found
        for change in changes where !matches {
            let place = change.block * 4096
            state.replaceSubrange(place..<place + change.bytes.count, with: change.bytes)
            matches = state == found
        }
        content = found
        flush()
        return matches
    }
}
