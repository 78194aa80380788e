import CryptoPrimitives

/// How slots are protected. Fixed per lineage and bound into every derived key.
public enum Suite: UInt16, Sendable, Codable {
    /// For unencrypted disks: XXH3-128 checksums, against accidents only.
    case plain = 0
    /// AES-256-GCM.
    case aes256GCM = 1
}

/// A lineage's data key and what is derived from it, one key per purpose (HKDF-SHA-256).
///
/// The info string of each derivation has 48 bytes in fixed widths: label (16, zero-padded), format
/// version (2), suite (2), key epoch (4), lineage (16), chunk number (8, 0 where there is none).
/// A plain lineage uses 32 zero bytes as its data key, so its MACs are checksums.
///
/// The object is the only holder of the key; the key is wiped when the object ends.
public final class LineageKeys: Sendable {
    public static let keySize = 32
    public static let saltSize = 32

    public let lineage: LineageID
    public let suite: Suite
    public let epoch: UInt32
    let headerKey: HMACKey
    let manifestKey: HMACKey
    /// Proves that a data key is the right one before anything is opened with it. Not secret.
    public let keyCheck: [UInt8]
    private let dataKey: SecretBytes

    /// Precondition: `dataKey` has 32 bytes; providers check it.
    public init(
        lineage: LineageID, suite: Suite, epoch: UInt32, dataKey: consuming SecretBytes
    ) throws(CryptoError) {
        self.lineage = lineage
        self.suite = suite
        self.epoch = epoch
        func derive(_ key: borrowing SecretBytes, _ label: String) throws(CryptoError)
            -> SecretBytes
        {
            try Self.derive(
                from: key, label: label, salt: [], lineage: lineage, suite: suite, epoch: epoch,
                chunk: nil)
        }
        headerKey = try HMACKey(derive(dataKey, "header"))
        manifestKey = try HMACKey(derive(dataKey, "manifest"))
        let check = try derive(dataKey, "key-check")
        keyCheck = check.withUnsafeBytes { Array($0) }
        self.dataKey = dataKey
    }

    /// The keys of a plain lineage.
    public static func plain(_ lineage: LineageID) throws(CryptoError) -> LineageKeys {
        let zeros = try SecretBytes(count: keySize) { buffer throws(CryptoError) in
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
        }
        return try LineageKeys(lineage: lineage, suite: .plain, epoch: 0, dataKey: zeros)
    }

    /// What seals and opens the slots of one chunk of the session that drew `salt`.
    public func cipher(forChunk number: ChunkNumber, salt: [UInt8]) throws(CryptoError)
        -> ChunkCipher
    {
        switch suite {
        case .plain:
            return ChunkCipher(plain: PlainChunkTag(lineage: lineage, salt: salt, chunk: number))
        case .aes256GCM:
            let key = try Self.derive(
                from: dataKey, label: "chunk", salt: salt, lineage: lineage, suite: suite,
                epoch: epoch, chunk: number)
            return ChunkCipher(aead: try AESGCMKey(key))
        }
    }

    /// What seals and opens the frames of a sealed snapshot.
    public func cipher(for header: SealedSnapshotHeader) throws(CryptoError) -> SealedFrameCipher {
        switch suite {
        case .plain:
            return SealedFrameCipher(
                plainPrefix: lineage.bytes + header.salt + Self.names(header), header)
        case .aes256GCM:
            let key = try sealedSnapshotKey("sealed-snapshot", header)
            return SealedFrameCipher(aead: try AESGCMKey(key), header)
        }
    }

    func sealedHeaderKey(_ header: SealedSnapshotHeader) throws(CryptoError) -> HMACKey {
        try HMACKey(sealedSnapshotKey("sealed-header", header))
    }

    /// The info is longer than that of every other key: what is named stands behind it.
    private func sealedSnapshotKey(_ label: String, _ header: SealedSnapshotHeader)
        throws(CryptoError) -> SecretBytes
    {
        try Self.derive(
            from: dataKey, label: label, salt: header.salt, lineage: lineage, suite: suite,
            epoch: epoch, chunk: nil, names: Self.names(header))
    }

    /// Snapshot (22 bytes), base or zeros (22), version of the sealed snapshot (2); behind that the
    /// difference's salt (32), if it has one.
    private static func names(_ header: SealedSnapshotHeader) -> [UInt8] {
        var writer = ByteWriter(count: 46)
        writer.put(header.snapshot.text, width: SealedSnapshotHeader.idLength)
        writer.put(header.base?.text ?? "", width: SealedSnapshotHeader.idLength)
        writer.put(SealedSnapshotHeader.version)
        let salt = header.differenceSalt
        return writer.bytes + (salt == SealedSnapshotHeader.noDifferenceSalt ? [] : salt)
    }

    private static func derive(
        from key: borrowing SecretBytes, label: String, salt: [UInt8], lineage: LineageID,
        suite: Suite, epoch: UInt32, chunk: ChunkNumber?, names: [UInt8] = []
    ) throws(CryptoError) -> SecretBytes {
        var info = ByteWriter(count: 48)
        info.put(label, width: 16)
        info.put(Format.version)
        info.put(suite.rawValue)
        info.put(epoch)
        info.put(lineage.bytes)
        info.put(chunk?.rawValue ?? 0)
        return try HKDF.deriveSecret(key: key, salt: salt, info: info.bytes + names, count: keySize)
    }
}
