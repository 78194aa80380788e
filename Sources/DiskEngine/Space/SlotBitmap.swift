/// A set of slots of one chunk.
struct SlotBitmap: Equatable {
    private(set) var words: [UInt64]
    /// How many slots are in it.
    private(set) var count = 0

    /// Empty, for slots below `slotCount`; it grows for others.
    init(slotCount: Int) { words = Array(repeating: 0, count: (slotCount + 63) / 64) }

    func contains(_ slot: Int) -> Bool {
        slot >> 6 < words.count && words[slot >> 6] & (1 << UInt64(slot & 63)) != 0
    }

    /// Whether it was new.
    @discardableResult
    mutating func insert(_ slot: Int) -> Bool {
        if slot >> 6 >= words.count { grow(to: slot) }
        let bit: UInt64 = 1 << UInt64(slot & 63)
        guard words[slot >> 6] & bit == 0 else { return false }
        words[slot >> 6] |= bit
        count += 1
        return true
    }

    private mutating func grow(to slot: Int) {
        words.append(contentsOf: repeatElement(0, count: slot >> 6 + 1 - words.count))
    }

    /// The slots below `slotCount` that are not in it.
    func complement(slotCount: Int) -> SlotBitmap {
        var result = SlotBitmap(slotCount: slotCount)
        for index in result.words.indices {
            let here = index < words.count ? words[index] : 0
            let valid = min(64, slotCount - index * 64)
            let mask: UInt64 = valid == 64 ? .max : 1 << UInt64(valid) - 1
            result.words[index] = ~here & mask
            result.count += result.words[index].nonzeroBitCount
        }
        return result
    }

    func intersection(_ other: SlotBitmap) -> SlotBitmap { combined(other, &) }
    func subtracting(_ other: SlotBitmap) -> SlotBitmap { combined(other) { $0 & ~$1 } }

    private func combined(_ other: SlotBitmap, _ word: (UInt64, UInt64) -> UInt64) -> SlotBitmap {
        var result = self
        result.count = 0
        for index in words.indices {
            result.words[index] = word(words[index], other.words.at(index))
            result.count += result.words[index].nonzeroBitCount
        }
        return result
    }

    /// The longest runs of slots in it, below `slotCount`, that hold at least one of `others`.
    func runs(holding others: SlotBitmap, slotCount: Int) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        var start: Int?
        var isWanted = false
        var slot = 0
        while slot <= slotCount {
            let isIn = slot < slotCount && contains(slot)
            if isIn {
                if start == nil { start = slot }
                if others.contains(slot) { isWanted = true }
            } else if let first = start {
                if isWanted { runs.append(first..<slot) }
                start = nil
                isWanted = false
            }
            // Whole words of nothing are the rule in a chunk that lives.
            if !isIn, slot & 63 == 0, words.at(slot >> 6) == 0 { slot += 63 }
            slot += 1
        }
        return runs
    }
}

extension [UInt64] {
    fileprivate func at(_ index: Int) -> UInt64 { index < count ? self[index] : 0 }
}
