import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// An engine on a store that fails when told to, with one disk attached.
struct FaultHarness {
    let memory: MemoryStore
    let files: FaultyStore
    let keys = InMemoryKMS()
    let store: Store
    let disk: Disk

    /// `capacity` in bytes; nil: room for everything.
    init(encrypted: Bool = true, size: UInt64 = 1 << 20, capacity: UInt64? = nil) throws {
        memory = MemoryStore(capacity: capacity)
        files = FaultyStore(memory)
        try Store.create(in: files, account: "a", region: "r")
        store = try Store(
            opening: files, keys: keys, holder: "tests", limits: Harness.smallLimits)
        disk = try store.attach(
            store.createDisk(encrypted: encrypted, size: size, attributes: [:]).id)
    }

    /// The store as a power cut at this moment would leave it, opened, with the disk attached.
    func afterPowerCut() throws -> (Store, Disk) {
        let left = memory.copy()
        left.crash()
        let store = try Store(
            opening: left, keys: keys, holder: "tests", limits: Harness.smallLimits)
        return (store, try store.attach(disk.id))
    }
}

/// The code of the `DiskError` that `body` throws; nil if it throws none.
func diskErrorCode(_ body: () throws -> Void) -> DiskError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? DiskError)?.code
    }
}
