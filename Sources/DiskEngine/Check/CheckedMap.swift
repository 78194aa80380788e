import DiskFormat
import Scheduling

/// A map that is verified: of a snapshot, of a disk as its next attach will find it, or of a disk
/// as it was created, which a reinitialisation goes back to.
final class CheckedMap {
    enum Subject: Equatable {
        case snapshot(SnapshotID)
        case disk(DiskID)
        case origin(DiskID)
    }

    let subject: Subject
    /// As the store has it, of which nothing is in memory yet.
    let reader: MapReader
    /// Bytes.
    let size: UInt64
    /// What the log behind the checkpoint has written anew; ascending, disjoint.
    let overwritten: [Range<BlockNumber>]

    init(
        _ subject: Subject, root: BlockAddress, size: UInt64, storedBlocks: UInt64,
        overwritten: [Range<BlockNumber>] = [], in lineage: Lineage, _ memory: MapMemory
    ) {
        self.subject = subject
        self.size = size
        self.overwritten = overwritten
        reader = MapReader(
            tree: MapTree(root: root, storedBlocks: storedBlocks, memory: memory),
            monitor: lineage.environment.threads.makeMonitor(), lineage: lineage)
    }

    /// The parts of what was found that this map's owner would read. A page of the map is needed
    /// whatever was overwritten below it.
    func parts(of bad: Scrub.Bad) -> [Scrub.Bad] {
        guard bad.page == nil else { return [bad] }
        var parts: [Scrub.Bad] = []
        var block = bad.blocks.lowerBound
        func add(below end: BlockNumber) {
            guard block < end else { return }
            let address = bad.address.rawValue + (block - bad.blocks.lowerBound)
            parts.append(
                Scrub.Bad(
                    blocks: block..<end, page: nil, address: BlockAddress(rawValue: address),
                    error: bad.error))
        }
        for range in overwritten where range.overlaps(bad.blocks) {
            add(below: max(block, range.lowerBound))
            block = max(block, min(range.upperBound, bad.blocks.upperBound))
        }
        add(below: bad.blocks.upperBound)
        return parts
    }

    /// Whether its owner would read any of it.
    func leads(to bad: Scrub.Bad) -> Bool { parts(of: bad).contains { reader.leads(to: $0) } }
}

extension [Range<BlockNumber>] {
    /// The same blocks, ascending, each once.
    func united() -> [Range<BlockNumber>] {
        var result: [Range<BlockNumber>] = []
        for range in sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
            if let last = result.last, range.lowerBound <= last.upperBound {
                result[result.count - 1] =
                    last.lowerBound..<Swift.max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}
