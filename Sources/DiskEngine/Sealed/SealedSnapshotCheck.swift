import CryptoPrimitives
import DiskFormat
import KeyManagement

/// What a sealed snapshot's file was found to be.
public struct SealedSnapshotReport: Sendable, Hashable {
    public let snapshot: String
    /// The snapshot that it is the difference to; nil for a full one.
    public let base: String?
    public let disk: String
    public let lineage: String
    public let created: Timestamp
    /// Bytes of the disk.
    public let size: UInt64
    /// Bytes of blocks that hold data; 0 in an incremental one.
    public let storedBytes: UInt64
    public let isEncrypted: Bool
    public let keyID: String?
    /// SHA-256 of the file.
    public let digest: String
    /// Bytes of the file.
    public let fileSize: UInt64
    /// Whether every byte was found authentic with the key (of a plain one: by its checksums).
    public let isAuthentic: Bool
}

/// Sealed snapshots as files of their own, without any store.
public enum SealedSnapshots {
    /// Reads one from its first byte to its last. With `keys`, which must be able to unwrap its
    /// key, every byte is verified; without, its structure and its hashes, which find accidents.
    ///
    /// `source` fills a buffer with the next bytes, fewer only at the end. Throws `.damaged` saying
    /// at which byte, `.unsupported`, `.keyRefused`, `.keyServiceInactive`, what `source` throws.
    public static func check(
        reading source: @escaping SealedSnapshotFile.Source, keys: (any KeyProvider)?
    ) throws -> SealedSnapshotReport {
        do {
            let file = try SealedSnapshotFile(reading: source)
            let header = file.header
            let opened = try lineageKeys(of: header, keys)
            let (digest, size) = try file.check(with: opened)
            return SealedSnapshotReport(
                snapshot: header.snapshot.text, base: header.base?.text, disk: header.disk.text,
                lineage: header.lineage.description, created: Timestamp(seconds: header.created),
                size: header.size, storedBytes: header.storedBlocks * UInt64(Format.blockSize),
                isEncrypted: header.suite != .plain, keyID: header.key.keyID,
                digest: Hex.text(digest), fileSize: size, isAuthentic: opened != nil)
        } catch {
            throw DiskError.wrap(error, while: "checking the sealed snapshot")
        }
    }

    private static func lineageKeys(of header: SealedSnapshotHeader, _ keys: (any KeyProvider)?)
        throws -> LineageKeys?
    {
        if header.suite == .plain { return try .plain(header.lineage) }
        guard let keys else { return nil }
        guard let id = header.key.keyID, let wrapped = header.key.wrappedKey else {
            throw DiskError(.damaged, "the sealed snapshot has no wrapped data key")
        }
        let dataKey = try keys.unwrap(
            WrappedKey(keyID: id, bytes: wrapped.bytes),
            context: KeyContext(
                store: header.store, lineage: header.lineage.description,
                epoch: header.key.epoch, format: Format.version),
            use: KeyUse(action: "VerifySnapshot", resource: header.snapshot.text))
        return try LineageKeys(
            lineage: header.lineage, suite: header.suite, epoch: header.key.epoch,
            dataKey: dataKey)
    }
}
