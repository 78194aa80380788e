import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

extension AttackTests {
    /// A pair of key and nonce, and in which copies of the store it was met.
    private struct Seal: Hashable {
        /// Lineage, chunk number, session and salt, which a chunk's key follows from.
        let header: [UInt8]
        let slot: Int
    }

    /// Copies of the store of any time are attached and written to, each with contents of its own,
    /// some of them twice from one copy: no key and nonce ever sealed two contents.
    @Test func copiesAttachedTwiceShareNoKeyAndNonce() throws {
        var stores: [MemoryStore] = []
        for files in [rig.earlier, rig.middle, rig.now, rig.fork] {
            stores.append(files)
            for _ in 0..<2 { stores.append(try written(files.copy(), UInt64(stores.count))) }
            stores.append(try written(stores[stores.count - 1].copy(), UInt64(stores.count)))
        }
        var sealed: [Seal: [UInt8]] = [:]
        var again = 0
        for files in stores {
            for path in files.names where path.hasSuffix(".chunk") {
                let bytes = try files.bytes(at: path)
                guard bytes.starts(with: Array("SEALDISK".utf8)) else { continue }
                for slot in 0..<64 {
                    let entry = Array(bytes[4096 + slot * 32..<4096 + slot * 32 + 32])
                    guard entry.contains(where: { $0 != 0 }) else { continue }
                    let seal = Seal(header: Array(bytes[20..<84]), slot: slot)
                    if let known = sealed[seal] {
                        again += 1
                        #expect(known == entry, "slot \(slot) of \(path) has two contents")
                    }
                    sealed[seal] = entry
                }
            }
        }
        #expect(sealed.count > 2000 && again > 2000, "\(sealed.count), \(again)")
    }

    /// Every disk of a copy is attached and wholly written; then it is as a kill would leave it.
    private func written(_ files: MemoryStore, _ seed: UInt64) throws -> MemoryStore {
        let store = try AttackRig.open(files, nil, rig.keys)
        for id in rig.disks.keys.sorted() {
            let disk = try store.attach(id)
            try disk.put(pattern(AttackRig.blocks * 4096, seed: 5000 + seed), at: 0)
            try disk.flush()
        }
        let killed = files.copy()
        try store.close()
        return killed
    }
}
