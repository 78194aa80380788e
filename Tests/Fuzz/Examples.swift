import CryptoPrimitives

@testable import DiskFormat

/// Fixed inputs of the seeds, and the keys that everything here is sealed under. A plain lineage's:
/// its checks can be made without a secret, so a target repairs them after every mutation, and the
/// fuzzer gets past them.
enum Example {
    static let lineage = LineageID(bytes: Array(0...15))
    static let salt: [UInt8] = Array(0xa0..<0xc0)
    static let chunk = ChunkNumber(lane: 5, sequence: 7)
    static let before = ChunkNumber(lane: 5, sequence: 6)
    /// Constants of valid form, here and below.
    static let disk = DiskID("d-00000000000000000abc")!
    static let snapshot = SnapshotID("s-00000000000000000xyz")!
    static let base = SnapshotID("s-00000000000000000old")!
    static let layout = ChunkLayout(slotCount: 8192)!
    // Made of constants; without it nothing can be tried.
    static let keys = try! LineageKeys.plain(lineage)

    static let state = DiskState(
        root: BlockAddress(chunk: chunk, slot: 41), size: 1 << 20, storedBlocks: 200,
        session: SessionStamp(number: 1, salt: HexBytes(salt)))

    static let key = LineageManifest.KeyEnvelope(
        suite: .plain, epoch: 0, keyID: nil, wrappedKey: nil, keyCheck: HexBytes(keys.keyCheck))
}

extension [UInt8] {
    /// The first `count` bytes, with zeros behind where there are fewer.
    func padded(to count: Int) -> [UInt8] {
        prefix(count) + [UInt8](repeating: 0, count: Swift.max(0, count - self.count))
    }

    /// These bytes with others at `offset`, where there is room for them.
    func with(_ bytes: [UInt8], at offset: Int) -> [UInt8] {
        var result = self
        result.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        return result
    }
}
