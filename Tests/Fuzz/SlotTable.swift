@testable import DiskFormat

extension FuzzTarget {
    private static let slots = 3

    /// Descriptors of 16 bytes, then a body for all: the tags are put right, so the table opens.
    static let slotTable = FuzzTarget("slot-table") {
        let all: [SlotDescriptor] = [
            .data(7, durableSlots: 3), .mapPage(level: 2, index: 5, durableSlots: 9),
            .discard(4..<900, durableSlots: 1), .checkpoint(durableSlots: 0), .void,
        ]
        return all.indices.map { start in
            (0..<slots).flatMap { bytes(of: all[(start + $0) % all.count]) } + [1, 2, 3]
        }
    } run: { bytes in
        let size = SlotDescriptor.size
        let fields = bytes.padded(to: slots * size)
        let body = Array(bytes.dropFirst(slots * size)).padded(to: Format.blockSize)
        let cipher = try Example.keys.cipher(forChunk: Example.chunk, salt: Example.salt)
        for slot in 0..<slots {
            let field = Array(fields[slot * size..<(slot + 1) * size])
            let read = field.withUnsafeBytes { SlotDescriptor(bytes: $0.baseAddress!) }  // 16 bytes
            let opened = try open(field, body, cipher)
            require(opened == read, "the slot opens as something else than its descriptor")
            guard let read else { continue }
            requireSame(read) {
                let again = Self.bytes(of: read)
                require(again == field, "another descriptor stands for the same slot")
                return again.withUnsafeBytes { SlotDescriptor(bytes: $0.baseAddress!) } ?? .void
            }
        }
    }

    private static func bytes(of descriptor: SlotDescriptor) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: SlotDescriptor.size)
        bytes.withUnsafeMutableBytes { descriptor.write(to: $0.baseAddress!) }  // 16 bytes
        return bytes
    }

    /// The descriptor that a slot with this field and body opens as, its tag being right.
    private static func open(_ field: [UInt8], _ body: [UInt8], _ cipher: ChunkCipher) throws
        -> SlotDescriptor?
    {
        let found = field.withUnsafeBytes { SlotDescriptor(bytes: $0.baseAddress!) }  // 16 bytes
        var entry = field + [UInt8](repeating: 0, count: PlainChunkTag.size)
        var body = body
        return try entry.withUnsafeMutableBytes { entry in
            try body.withUnsafeMutableBytes { body in
                // Both have bytes, so they have addresses.
                PlainChunkTag(lineage: Example.lineage, salt: Example.salt, chunk: Example.chunk)
                    .compute(
                        domain: found?.kind == .void ? .void : .slot, slot: 4,
                        descriptor: entry.baseAddress!,
                        body: found?.kind.hasBody == true ? body.baseAddress! : nil,
                        into: entry.baseAddress! + SlotDescriptor.size)
                let run = UnopenedRun(firstSlot: 4, entries: entry, bodies: body)
                _ = run.isBlank(0)
                return try cipher.open(run, index: 0)
            }
        }
    }
}
