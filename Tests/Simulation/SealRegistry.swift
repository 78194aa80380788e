/// Every slot that was ever sealed in a run, on every copy of its store: no pair of key and nonce
/// may have sealed two contents.
///
/// A slot's key follows from lineage, chunk number and the session's salt, all of which stand in
/// the header of its chunk; its nonce from its number. So header and number name the pair. The one
/// exception is a slot that was voided after its write failed: void has a nonce of its own, so a
/// slot may have one other content, and only where a write has failed.
final class SealRegistry: @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    private struct Slot: Hashable {
        let header: [UInt8]
        let number: Int
    }

    private var contents: [Slot: [[UInt8]]] = [:]
    /// Slots with two contents.
    private(set) var twice = 0
    private(set) var violation: String?
    private(set) var sealed = 0

    private static let entrySize = 32
    private static let magic = Array("SEALDISK".utf8)

    /// Takes note of the entries in a range of a file that was written, which `read` reads.
    func note(_ range: Range<Int>, _ read: (Range<Int>) -> [UInt8]) {
        guard range.upperBound > 4096 else { return }
        let start = read(0..<512)
        guard start.count == 512, start.starts(with: Self.magic), range.lowerBound >= 4096 else {
            return
        }
        let slots = start[16..<20].enumerated().reduce(0) {
            $0 + Int($1.element) << (8 * $1.offset)
        }
        let table = (4096..<4096 + slots * Self.entrySize).clamped(to: range)
        guard !table.isEmpty else { return }
        // Lineage, chunk number, session and salt.
        let header = Array(start[20..<84])
        let first = (table.lowerBound - 4096) / Self.entrySize
        let last = (table.upperBound - 1 - 4096) / Self.entrySize
        for number in first...last {
            let place = 4096 + number * Self.entrySize
            // A write may come in parts: the one that brings an entry's end tells.
            guard place + Self.entrySize <= table.upperBound else { continue }
            let entry = read(place..<place + Self.entrySize)
            guard entry.contains(where: { $0 != 0 }) else { continue }
            note(entry, Slot(header: header, number: number))
        }
    }

    private func note(_ entry: [UInt8], _ slot: Slot) {
        var known = contents[slot, default: []]
        if known.contains(entry) { return }
        sealed += 1
        known.append(entry)
        contents[slot] = known
        if known.count == 2 { twice += 1 }
        if known.count > 2, violation == nil {
            violation = "slot \(slot.number) of a chunk was sealed with \(known.count) contents"
        }
    }
}
