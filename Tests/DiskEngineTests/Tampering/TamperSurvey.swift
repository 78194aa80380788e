import ChunkStore
import DiskFormat
import KeyManagement

@testable import DiskEngine

/// What lies where in a rig's store, read through the engine's own keys before anything is damaged.
struct TamperSurvey {
    struct Slot {
        let address: BlockAddress
        let descriptor: SlotDescriptor
    }

    let slots: [Slot]
    let layouts: [ChunkNumber: ChunkLayout]
    /// The block of the disk that each live data slot holds.
    let live: [BlockAddress: Int]
    let manifest: DiskManifest

    var chunks: [ChunkNumber] { layouts.keys.sorted() }
    var newest: CheckpointReference { manifest.checkpoints[0] }
    var older: CheckpointReference { manifest.checkpoints[1] }

    init(_ rig: TamperRig) throws {
        let store = try rig.open(rig.files.copy())
        defer { try? store.close() }  // a copy that nothing was written to
        let disk = try store.attach(rig.disk)
        store.reclaimer.waitUntilIdle()  // what was left to be given back is no part of it
        var slots: [Slot] = []
        var layouts: [ChunkNumber: ChunkLayout] = [:]
        let lane = disk.manifest.lane
        for sequence in try store.sealed.sequences(rig.lineage, lane: lane) {
            let number = ChunkNumber(lane: lane, sequence: sequence)
            let (header, file) = try disk.lineage.openHeader(number)
            let cipher = try disk.lineage.keys.cipher(forChunk: number, salt: header.salt)
            layouts[number] = header.layout
            slots += try Self.slots(of: number, file, cipher)
        }
        _ = try disk.bytes()  // every map page is resident now
        var extents: [Extent] = []
        disk.monitor.withLock {
            _ = disk.map.lookUp(0..<UInt64(TamperRig.blocks), into: &extents)
        }
        var live: [BlockAddress: Int] = [:]
        var block = 0
        for extent in extents {
            for index in 0..<extent.count where !extent.address.isHole {
                live[BlockAddress(rawValue: extent.address.rawValue + UInt64(index))] =
                    block + index
            }
            block += extent.count
        }
        self.slots = slots
        self.layouts = layouts
        self.live = live
        manifest = disk.manifest
    }

    private static func slots(
        of number: ChunkNumber, _ file: SealedChunkFile, _ cipher: ChunkCipher
    ) throws -> [Slot] {
        let count = Int(file.layout.slotCount)
        var entries = [UInt8](repeating: 0, count: count * Format.entrySize)
        var bodies = [UInt8](repeating: 0, count: count * Format.blockSize)
        return try entries.withUnsafeMutableBytes { entries in
            try bodies.withUnsafeMutableBytes { bodies in
                let run = try file.read(from: 0, entries: entries, bodies: bodies)
                var slots: [Slot] = []
                for (index, slot) in run.slots.enumerated() {
                    guard let descriptor = try cipher.open(run, index: index) else { continue }
                    let address = BlockAddress(chunk: number, slot: slot)
                    slots.append(Slot(address: address, descriptor: descriptor))
                }
                return slots
            }
        }
    }

    /// The parts of a chunk file that a slot owns.
    func entry(_ slot: BlockAddress) -> Range<Int> {
        let offset = Int(layouts[slot.chunk]!.entryOffset(of: slot.slot))  // surveyed
        return offset..<offset + Format.entrySize
    }

    func body(_ slot: BlockAddress) -> Range<Int> {
        let offset = Int(layouts[slot.chunk]!.bodyOffset(of: slot.slot))  // surveyed
        return offset..<offset + Format.blockSize
    }
}

extension MemoryStore {
    /// Flips one bit of a stored byte.
    func flip(_ name: ObjectName, byte: Int, bit: Int = 0) throws {
        try mutateFile(name, at: UInt64(byte), count: 1) { $0[0] ^= 1 << UInt8(bit & 7) }
    }

    func bytes(of name: ObjectName) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try mutateFile(name) { bytes = $0 }
        return bytes
    }
}
