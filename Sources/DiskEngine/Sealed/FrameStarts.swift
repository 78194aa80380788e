import DiskFormat

/// Blocks at which frames of a sealed snapshot begin, as far as walks came: every 256th for good
/// (2 MiB for a disk of 32 TiB that is full), and the last few that were asked for, so that who
/// reads on goes on where he was.
///
/// Invariant: the starts kept for good are those of the frames 0, 256, … without a gap. Whoever
/// walks begins at a start that is here, and notes each 256th in passing.
struct FrameStarts {
    static let stride: UInt64 = 256
    private static let recentCount = 16

    private var kept: [BlockNumber] = [0]
    /// The oldest first.
    private var recent: [(frame: UInt64, block: BlockNumber)] = []

    /// The last frame up to `frame` of which the start is here.
    func nearest(to frame: UInt64) -> (frame: UInt64, block: BlockNumber) {
        let index = min(Int(frame / Self.stride), kept.count - 1)
        let base = (frame: UInt64(index) * Self.stride, block: kept[index])
        let later = recent.filter { $0.frame > base.frame && $0.frame <= frame }
        return later.max { $0.frame < $1.frame } ?? base
    }

    /// A walk came past the frame's first item. Kept if the frame is one of those kept for good.
    mutating func pass(_ frame: UInt64, at block: BlockNumber) {
        if frame == UInt64(kept.count) * Self.stride { kept.append(block) }
    }

    /// The frame is likely to be asked for next.
    mutating func expect(_ frame: UInt64, at block: BlockNumber) {
        pass(frame, at: block)
        recent.removeAll { $0.frame == frame }
        if recent.count == Self.recentCount { recent.removeFirst() }
        recent.append((frame, block))
    }
}
