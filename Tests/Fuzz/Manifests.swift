import CryptoPrimitives

@testable import DiskFormat

extension FuzzTarget {
    /// A store's description, the mark of a copy, and a size that waits.
    static let storeManifest = FuzzTarget("store-manifest") {
        let store = StoreManifest(
            store: Example.lineage.description, account: "1", region: "r", created: 7)
        return [
            store.encoded(), PendingSize(size: 1 << 20).encoded(),
            UnfinishedCopy(of: store.store).encoded(),
        ]
    } run: { bytes in
        if let copy = try? UnfinishedCopy(decoding: bytes) {
            requireSame(copy) { try UnfinishedCopy(decoding: copy.encoded()) }
        }
        if let pending = try? PendingSize(decoding: bytes) {
            requireSame(pending) { try PendingSize(decoding: pending.encoded()) }
        }
        let store = try StoreManifest(decoding: bytes)
        requireSame(store) { try StoreManifest(decoding: store.encoded()) }
    }

    static let lineageManifest = FuzzTarget("lineage-manifest") {
        var manifest = LineageManifest(key: Example.key, created: 1_700_000_000)
        let first = try manifest.sealed(version: 1, with: Example.keys).bytes
        manifest.sessions = [
            .init(
                number: 1, disk: Example.disk, lane: 5, firstSequence: 7, endSequence: 71,
                salt: HexBytes(Example.salt),
                previousEnd: LogPosition(chunk: Example.before, slot: 8192))
        ]
        (manifest.nextSession, manifest.nextLane) = (2, 6)
        manifest.freeLanes = [.init(lane: 2, nextSequence: 9)]
        return [first, try manifest.sealed(version: 2, with: Example.keys).bytes]
    } run: { bytes in
        _ = try? UnopenedManifest(bytes: bytes).unverifiedKeyEnvelope(of: Example.lineage)
        let (manifest, version) = try authentic(bytes).lineage(with: Example.keys)
        requireSameManifest(manifest, bytes) {
            try UnopenedManifest(
                bytes: manifest.sealed(version: version, with: Example.keys).bytes
            ).lineage(with: Example.keys).0
        }
    }

    static let diskManifest = FuzzTarget("disk-manifest") {
        var manifest = DiskManifest(
            id: Example.disk, created: 1_700_000_001, lane: 5, slotsPerChunk: 8192,
            origin: .empty(size: 1 << 20), sourceSnapshot: Example.snapshot, nextSequence: 8,
            attributes: ["DiskName": "a/b"])
        let first = try manifest.sealed(version: 1, with: Example.keys).bytes
        manifest.checkpoints = [
            CheckpointReference(
                generation: 4, slot: BlockAddress(chunk: Example.chunk, slot: 42),
                state: Example.state, replayFrom: LogPosition(chunk: Example.chunk, slot: 40))
        ]
        manifest.rollingBackTo = Example.state
        return [first, try manifest.sealed(version: 2, with: Example.keys).bytes]
    } run: { bytes in
        _ = try? UnopenedManifest(bytes: bytes).unverifiedDisk(Example.disk)
        let (manifest, version) = try authentic(bytes).disk(Example.disk, with: Example.keys)
        requireSameManifest(manifest, bytes) {
            try UnopenedManifest(
                bytes: manifest.sealed(version: version, with: Example.keys).bytes
            ).disk(Example.disk, with: Example.keys).0
        }
    }

    static let snapshotManifest = FuzzTarget("snapshot-manifest") {
        try [nil, HexBytes(Example.salt)].map {
            try SnapshotManifest(
                id: Example.snapshot, disk: Example.disk, created: 1_700_000_002,
                state: Example.state, salt: HexBytes(Example.salt), importSalt: $0,
                attributes: ["SnapshotName": "s"]
            ).sealed(with: Example.keys).bytes
        }
    } run: { bytes in
        _ = try? UnopenedManifest(bytes: bytes).unverifiedSnapshot(Example.snapshot)
        let (manifest, version) = try authentic(bytes)
            .snapshot(Example.snapshot, with: Example.keys)
        requireSameManifest(manifest, bytes) {
            try UnopenedManifest(
                bytes: manifest.sealed(version: version, with: Example.keys).bytes
            ).snapshot(Example.snapshot, with: Example.keys).0
        }
    }

    /// The manifest with the MAC that belongs to what stands before its last line.
    private static func authentic(_ bytes: [UInt8]) throws -> UnopenedManifest {
        let end = bytes.dropLast().lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let text = Array(bytes[..<end])
        let mac = Hex.text(try Example.keys.manifestKey.authenticate(text))
        return UnopenedManifest(bytes: text + "hmac-sha-256 \(mac)\n".utf8)
    }

    /// A manifest near its largest size may be written longer than it was read, and is refused.
    private static func requireSameManifest<T: Equatable>(
        _ manifest: T, _ bytes: [UInt8], _ again: () throws -> T
    ) {
        requireSame(manifest) {
            do { return try again() } catch let error as FormatError {
                guard error.code == .limit, bytes.count > Format.maximumManifestSize / 4 else {
                    throw error
                }
                return manifest
            }
        }
    }
}
