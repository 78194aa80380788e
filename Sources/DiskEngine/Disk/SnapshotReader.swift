import DiskFormat
import Scheduling

/// A snapshot, open for reading. It keeps the snapshot from being deleted until `close()`.
public final class SnapshotReader: @unchecked Sendable {
    // @unchecked: `isOpen` is accessed under `monitor`; the map by way of `reader`, under it too.
    public var id: SnapshotID { manifest.id }
    /// Bytes.
    public var size: UInt64 { manifest.state.size }
    /// Bytes of blocks that are not holes.
    public var storedBytes: UInt64 { manifest.state.storedBlocks * UInt64(Format.blockSize) }
    let manifest: SnapshotManifest
    private let monitor: Monitor
    let reader: MapReader
    private let onClose: @Sendable () -> Void
    let onDamage: @Sendable (String) -> Void
    private var isOpen = true

    init(
        _ manifest: SnapshotManifest, lineage: Lineage, memory: MapMemory,
        onDamage: @escaping @Sendable (String) -> Void, onClose: @escaping @Sendable () -> Void
    ) {
        self.manifest = manifest
        monitor = lineage.environment.threads.makeMonitor()
        let tree = MapTree(
            root: manifest.state.root, storedBlocks: manifest.state.storedBlocks, memory: memory)
        reader = MapReader(tree: tree, monitor: monitor, lineage: lineage)
        self.onDamage = onDamage
        self.onClose = onClose
    }

    deinit { close() }

    /// Fills `buffer` with the snapshot's bytes from `offset` on. Throws `.invalid` outside it,
    /// `.damaged`, `.io`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws {
        guard offset <= size, UInt64(buffer.count) <= size - offset else {
            throw DiskError(
                .invalid,
                "snapshot \(id) ends at byte \(size); \(buffer.count) bytes from \(offset) do not"
                    + " fit")
        }
        do {
            try monitor.withLock {
                try reader.lineage.checkNotFenced()
                try reader.read(bytes: buffer, at: offset)
            }
        } catch {
            throw located(error, "reading snapshot \(id) at byte \(offset)")
        }
    }

    /// The error of a read, which says where it was. Damage is noted for the snapshot.
    func located(_ error: any Error, _ place: String) -> DiskError {
        let cause = DiskError.wrap(error, while: "reading")
        let message = "\(place): \(cause.message)"
        if cause.code == .damaged { onDamage(message) }
        return DiskError(cause.code, message, cause: cause)
    }

    /// As `Disk.nextData` and `Disk.nextHole`.
    public func nextData(from offset: UInt64) throws -> UInt64? {
        try monitor.withLock { try reader.seek(toData: true, from: offset, size: size) }
    }

    public func nextHole(from offset: UInt64) throws -> UInt64 {
        try monitor.withLock {
            try reader.seek(toData: false, from: offset, size: size) ?? size
        }
    }

    /// Ends the reader. Idempotent.
    public func close() {
        let wasOpen = monitor.withLock {
            defer { isOpen = false }
            return isOpen
        }
        if wasOpen { onClose() }
    }
}
