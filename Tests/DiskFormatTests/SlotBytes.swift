@testable import DiskFormat

/// One slot as a store holds it: its entry, and its body (zeros for a slot without one).
struct SlotBytes: Hashable {
    var entry: [UInt8]
    var body: [UInt8]

    static func sealed(
        _ descriptor: SlotDescriptor, body: [UInt8] = Example.body, at slot: UInt32,
        with cipher: ChunkCipher
    ) throws -> SlotBytes {
        let run = SealedRun(capacity: 1)
        switch descriptor.kind {
        case .discard: try cipher.seal(run, at: slot, discard: descriptor)
        case .void: try cipher.void(run, at: slot, count: 1)
        case .data, .mapPage, .checkpoint:
            try body.withUnsafeBytes { bytes in
                try cipher.seal(
                    run, at: slot, count: 1, describe: { _ in descriptor },
                    body: { _ in bytes.baseAddress! })  // 4096 bytes
            }
        }
        return SlotBytes(run, 0)
    }

    init(entry: [UInt8], body: [UInt8]) {
        self.entry = entry
        self.body = body
    }

    /// The slot at `index` of a sealed run.
    init(_ run: SealedRun, _ index: Int) {
        entry = Array(run.entryBytes[index * 32..<(index + 1) * 32])
        body =
            run.hasBodies
            ? Array(run.bodyBytes[index * 4096..<(index + 1) * 4096])
            : [UInt8](repeating: 0, count: 4096)
    }

    /// Opens it as recovery does; nil if it is not authentic.
    func opened(at slot: UInt32, with cipher: ChunkCipher) throws -> (SlotDescriptor, [UInt8])? {
        var (entry, body) = (entry, body)
        let descriptor = try entry.withUnsafeMutableBytes { entries in
            try body.withUnsafeMutableBytes { bodies in
                try cipher.open(
                    UnopenedRun(firstSlot: slot, entries: entries, bodies: bodies), index: 0)
            }
        }
        return descriptor.map { ($0, body) }
    }

    /// Opens it as a reader does, who knows what must be there; nil if it is not that.
    func opened(at slot: UInt32, as expected: ExpectedSlot, with cipher: ChunkCipher) throws
        -> [UInt8]?
    {
        var (entry, body) = (entry, body)
        let bad = try entry.withUnsafeMutableBytes { entries in
            try body.withUnsafeMutableBytes { bodies in
                try cipher.open(
                    UnopenedRun(firstSlot: slot, entries: entries, bodies: bodies),
                    expecting: { _ in expected })
            }
        }
        return bad == nil ? body : nil
    }
}
