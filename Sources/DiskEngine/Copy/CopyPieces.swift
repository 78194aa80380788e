import ChunkStore
import Glibc

/// Memory for a piece of a file of either end of a copy.
final class CopyPieces {
    static let size = 1 << 20
    static let page = 4096

    enum Half { case ours, theirs }

    private let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: 2 * CopyPieces.size, alignment: CopyPieces.page)

    deinit { memory.deallocate() }

    /// The piece at `offset` of a file of `length` bytes. It is there until the half is filled
    /// anew. A file that ends before is an error.
    func fill(
        _ half: Half, from file: any ChunkFile, _ name: ObjectName, at offset: UInt64,
        of length: UInt64, _ side: StoreCopy.Side
    ) throws -> UnsafeRawBufferPointer {
        let start = half == .ours ? 0 : Self.size
        let count = Int(min(UInt64(Self.size), length - offset))
        let buffer = UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + count])
        try StoreCopy.at(side) {
            let found = try file.read(into: buffer, at: offset)
            guard found == count else {
                throw DiskError(
                    .io,
                    "\(side.rawValue): \(name) ends at byte \(offset + UInt64(found)), and had"
                        + " \(length)")
            }
        }
        return UnsafeRawBufferPointer(buffer)
    }

    static func areSame(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        guard a.count == b.count else { return false }
        guard let first = a.baseAddress, let second = b.baseAddress else { return true }
        return memcmp(first, second, a.count) == 0
    }

    /// A piece cut where pages that are all zeros begin and end, in order.
    static func runs(of piece: UnsafeRawBufferPointer) -> [(range: Range<Int>, isZero: Bool)] {
        var runs: [(range: Range<Int>, isZero: Bool)] = []
        for start in stride(from: 0, to: piece.count, by: page) {
            let end = min(start + page, piece.count)
            let isZero = isZero(UnsafeRawBufferPointer(rebasing: piece[start..<end]))
            if let last = runs.last, last.isZero == isZero {
                runs[runs.count - 1].range = last.range.lowerBound..<end
            } else {
                runs.append((start..<end, isZero))
            }
        }
        return runs
    }

    /// Whether the first byte is zero, and each as the one before it.
    private static func isZero(_ page: UnsafeRawBufferPointer) -> Bool {
        guard let start = page.baseAddress, page[0] == 0 else { return page.isEmpty }
        return memcmp(start, start + 1, page.count - 1) == 0
    }
}
