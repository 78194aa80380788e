import CryptoPrimitives
import DiskFormat

/// Makes frames of a sealed snapshot: the items that a walk gives, and their blocks, sealed.
struct FrameAssembler: Sendable {
    let reader: MapReader
    let cipher: SealedFrameCipher

    /// What makes the sealed file of a snapshot, or of its difference to `base`, and the file's
    /// first page. `store` is the id of the store they are in.
    static func sealing(_ snapshot: SnapshotReader, since base: SnapshotReader?, in store: String)
        throws -> (header: [UInt8], FrameAssembler)
    {
        let manifest = snapshot.manifest
        let lineage = snapshot.reader.lineage
        let key = lineage.withManifest(\.key)
        let fields = try SealedSnapshotHeader(
            lineage: lineage.id, snapshot: manifest.id, base: base?.id, disk: manifest.disk,
            created: manifest.created, size: manifest.state.size,
            storedBlocks: base == nil ? manifest.state.storedBlocks : 0, salt: manifest.salt.bytes,
            differenceSalt: try base.map { try manifest.differenceSalt(since: $0.manifest) }
                ?? SealedSnapshotHeader.noDifferenceSalt,
            store: key.store ?? store, key: key)
        // If there is no locked memory for its key, open chunks give up theirs.
        let isShort = { (error: any Error) in (error as? CryptoError)?.code == .lockedMemory }
        return try lineage.budget.relieving(when: isShort) {
            (
                try fields.sealed(with: lineage.keys),
                FrameAssembler(
                    reader: snapshot.reader, cipher: try lineage.keys.cipher(for: fields))
            )
        }
    }

    /// The frame of these items, which come in runs. The blocks are read to where they are sealed;
    /// no lock is held meanwhile but as `MapReader` does. Throws `.damaged`, `.io`.
    func frame(_ number: FrameNumber, of runs: [MapChange], isLast: Bool) throws -> SealedFrame {
        let bodies = runs.reduce(0) { $0 + ($1.isHole ? 0 : $1.blocks.count) }
        let frame = SealedFrame(count: SealedGeometry.pageSize + bodies * Format.blockSize)
        do {
            var items: [SealedItem] = []
            items.reserveCapacity(SealedGeometry.itemsPerFrame)
            var offset = SealedGeometry.pageSize
            for run in runs {
                if run.isHole {
                    items.append(.hole(run.blocks))
                } else {
                    let length = run.blocks.count * Format.blockSize
                    let place = UnsafeMutableRawBufferPointer(
                        rebasing: frame.bytes[offset..<offset + length])
                    try reader.monitor.withLock { try reader.read(run.blocks, into: place) }
                    items += run.blocks.map { .data($0) }
                    offset += length
                }
            }
            try cipher.seal(items, as: number, isLast: isLast, in: frame.bytes)
        } catch {
            // Plaintext that did not come to be sealed.
            frame.bytes.initializeMemory(as: UInt8.self, repeating: 0)
            throw error
        }
        return frame
    }
}
