import ChunkStore
import CryptoPrimitives

/// A chunk file on its way to the other end. Pages that are all zeros have no space there, whether
/// or not they had it here: nothing was ever written to them, or what was is given back.
final class CopiedChunk {
    private let name: ObjectName
    private let length: UInt64
    private let input: any ChunkFile
    private let output: any ChunkFile
    /// Whether it was made just now, and reads as zeros.
    private let isNew: Bool
    private let mayWrite: Bool
    private let pieces: CopyPieces
    /// Bytes.
    private(set) var written: UInt64 = 0
    private var holes: [Range<UInt64>] = []

    init(
        name: ObjectName, length: UInt64, input: any ChunkFile, output: any ChunkFile, isNew: Bool,
        mayWrite: Bool, pieces: CopyPieces
    ) {
        self.name = name
        self.length = length
        self.input = input
        self.output = output
        self.isNew = isNew
        self.mayWrite = mayWrite
        self.pieces = pieces
    }

    /// Returns the digest of what the source has; when it does, the target has the same, durably.
    /// `onPiece` gets the bytes of each piece.
    func copy(onPiece: (UInt64) throws -> Void) throws -> [UInt8] {
        // What a killed run left may be in memory only.
        if !isNew { try StoreCopy.at(.target) { try output.dropCache() } }
        let digest = try SHA256.Stream()
        var done: UInt64 = 0
        while done < length {
            let ours = try pieces.fill(.ours, from: input, name, at: done, of: length, .source)
            try digest.add(ours)
            try copy(ours, at: done)
            done += UInt64(ours.count)
            try onPiece(UInt64(ours.count))
        }
        // What was read once is not read again: others need the host's memory more.
        input.forget(at: 0, length: length)
        if mayWrite {
            try StoreCopy.at(.target) {
                try giveBackHoles()
                try output.synchronize()
            }
        }
        return try digest.finish()
    }

    private func copy(_ ours: UnsafeRawBufferPointer, at offset: UInt64) throws {
        var isSame = false
        if !isNew {
            let theirs = try pieces.fill(
                .theirs, from: output, name, at: offset, of: length, .target)
            isSame = CopyPieces.areSame(ours, theirs)
        }
        guard isSame || mayWrite else { throw CopyRun.notTheSame(name.path) }
        for run in CopyPieces.runs(of: ours) {
            let start = offset + UInt64(run.range.lowerBound)
            if run.isZero {
                note(hole: start..<start + UInt64(run.range.count))
                // Else it is zeros already.
                guard !isNew, !isSame else { continue }
                try StoreCopy.at(.target) {
                    try output.deallocate(at: start, length: UInt64(run.range.count))
                }
            } else if !isSame {
                try StoreCopy.at(.target) {
                    try output.write(UnsafeRawBufferPointer(rebasing: ours[run.range]), at: start)
                }
                written += UInt64(run.range.count)
            }
        }
    }

    private func note(hole: Range<UInt64>) {
        if let last = holes.last, last.upperBound == hole.lowerBound {
            holes[holes.count - 1] = last.lowerBound..<hole.upperBound
        } else {
            holes.append(hole)
        }
    }

    /// Where the file takes more space than what it holds.
    private func giveBackHoles() throws {
        let data = length - holes.reduce(0) { $0 + UInt64($1.count) }
        guard try output.size().allocated > data else { return }
        for hole in holes {
            try output.deallocate(at: hole.lowerBound, length: UInt64(hole.count))
        }
    }
}
