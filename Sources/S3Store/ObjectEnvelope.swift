import ChunkStore

/// What stands before the content of a small object, and of a chunk's index.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 8 | `SDOBJ001`; `SDGONE01` of an object that was removed, which ends at 32 |
/// | 8 | 8 | the epoch of the lease it was put under; 0: under none |
/// | 16 | 16 | random: no two puts have the same |
/// | 32 | 8 | zero |
/// | 40 | | content |
///
/// Numbers are little-endian. Invariant: two puts never have equal bytes, hence never equal ETags
/// where those are hashes. So an ETag tells that nothing was put in between, and whose put it was
/// can be told after its answer was lost.
struct ObjectEnvelope: Equatable {
    static let size = 40
    /// Of a removed object: no object with content is as short.
    static let removedSize = 32
    private static let magic = Array("SDOBJ001".utf8)
    private static let removedMagic = Array("SDGONE01".utf8)

    let epoch: UInt64
    let mark: [UInt8]
    let isRemoved: Bool

    init(epoch: UInt64, mark: [UInt8], isRemoved: Bool = false) {
        self.epoch = epoch
        self.mark = mark
        self.isRemoved = isRemoved
    }

    /// nil if this is none: an object that no `S3Store` put.
    init?(_ bytes: some RandomAccessCollection<UInt8>) {
        let bytes = Array(bytes.prefix(Self.size))
        guard bytes.count >= Self.removedSize else { return nil }
        let magic = Array(bytes[..<8])
        isRemoved = magic == Self.removedMagic
        guard isRemoved || magic == Self.magic && bytes.count == Self.size else { return nil }
        epoch = LittleEndian.number(bytes[8..<16])
        mark = Array(bytes[16..<32])
    }

    func encoded(with content: [UInt8]) -> [UInt8] {
        let head =
            (isRemoved ? Self.removedMagic : Self.magic) + LittleEndian.bytes(epoch) + mark
        return isRemoved ? head : head + [UInt8](repeating: 0, count: 8) + content
    }
}

enum LittleEndian {
    static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    static func number<T: FixedWidthInteger & UnsignedInteger>(_ bytes: ArraySlice<UInt8>) -> T {
        bytes.reversed().reduce(0) { $0 << 8 | T($1) }
    }
}
