import CryptoPrimitives

/// Seals and opens the frames of one sealed snapshot, in place.
///
/// Invariant it relies on: key and nonce depend on snapshot, base and item number, and so does what
/// is sealed under them. Sealing again repeats the bytes, never a nonce with other content.
public final class SealedFrameCipher: Sendable {
    private enum Mechanism: Sendable {
        case aead(AESGCMKey)
        case plain(prefix: [UInt8])
    }

    private let mechanism: Mechanism
    private let blocks: UInt64
    private let mayHaveHoles: Bool

    init(aead: AESGCMKey, _ header: SealedSnapshotHeader) {
        mechanism = .aead(aead)
        blocks = header.size / UInt64(Format.blockSize)
        mayHaveHoles = header.isIncremental
    }

    init(plainPrefix: [UInt8], _ header: SealedSnapshotHeader) {
        mechanism = .plain(prefix: plainPrefix)
        blocks = header.size / UInt64(Format.blockSize)
        mayHaveHoles = header.isIncremental
    }

    /// Seals a frame. The plaintext of its data items stands in `frame` behind the index page, in
    /// their order. Preconditions: `frame` has exactly that room; items ascend without overlapping,
    /// and are 126 but in the last frame.
    public func seal(
        _ items: [SealedItem], as number: FrameNumber, isLast: Bool,
        in frame: UnsafeMutableRawBufferPointer
    ) throws(CryptoError) {
        let fields = SealedFrameFields(
            number: number, items: items.count, bodies: items.count { $0.hasBody }, isLast: isLast)
        // Else the frame would not open: the caller's error, found before it is in a file.
        precondition(frame.count == fields.frameSize)
        precondition(isLast || items.count == SealedGeometry.itemsPerFrame)
        precondition(isValid(items, from: 0))
        let page = frame.baseAddress!  // a page at least
        page.initializeMemory(as: UInt8.self, repeating: 0, count: SealedGeometry.pageSize)
        var body = page + SealedGeometry.pageSize
        for (index, item) in items.enumerated() {
            let entry = page + index * Format.entrySize
            item.descriptor.write(to: entry)
            try sealItem(
                Self.item(number, index), entry: entry, body: item.hasBody ? body : nil)
            if item.hasBody { body += Format.blockSize }
        }
        (page + SealedFrameFields.offset).copyMemory(from: fields.encoded, byteCount: 16)
        try tag(fields).withUnsafeBytes {
            (page + SealedFrameFields.tagOffset).copyMemory(
                from: $0.baseAddress!, byteCount: $0.count)  // 16 bytes
        }
        let hash = try SealedFrameFields.hash(of: UnsafeRawBufferPointer(frame))
        (page + SealedFrameFields.hashOffset).copyMemory(from: hash, byteCount: hash.count)
    }

    /// Opens a whole frame in place: the data items' plaintext stands behind the index page then.
    /// `first` is the first block that an item may name, the end of the frame before it.
    ///
    /// Throws `.malformed`, `.notAuthentic`; the frame's memory must not be used then.
    public func open(
        _ frame: UnsafeMutableRawBufferPointer, as number: FrameNumber, from first: BlockNumber
    ) throws -> (items: [SealedItem], isLast: Bool) {
        let fields = try SealedFrameFields.check(
            UnsafeRawBufferPointer(frame), expecting: number)
        let page = frame.baseAddress!  // checked: a page at least
        let stored = Array(frame[SealedFrameFields.tagOffset..<SealedFrameFields.hashOffset])
        guard constantTimeEqual(stored, try tag(fields)) else { throw Self.forged(number) }
        var items: [SealedItem] = []
        var bodies = 0
        for index in 0..<fields.items {
            let body =
                bodies < fields.bodies ? page + (1 + bodies) * SealedGeometry.pageSize : nil
            guard
                let item = try openItem(
                    Self.item(number, index), entry: page + index * Format.entrySize, body: body)
            else { throw Self.forged(number) }
            if item.hasBody { bodies += 1 }
            items.append(item)
        }
        guard bodies == fields.bodies, isValid(items, from: first) else {
            throw FormatError(.malformed, "frame \(number) has items that make no sense")
        }
        return (items, fields.isLast)
    }

    private func isValid(_ items: [SealedItem], from first: BlockNumber) -> Bool {
        var next = first
        for item in items {
            let range = item.blocks
            guard range.lowerBound >= next, !range.isEmpty, range.upperBound <= blocks,
                item.hasBody || mayHaveHoles
            else { return false }
            next = range.upperBound
        }
        return true
    }

    private static func forged(_ number: FrameNumber) -> FormatError {
        FormatError(.notAuthentic, "frame \(number) is not authentic")
    }

    private static func item(_ frame: FrameNumber, _ index: Int) -> UInt64 {
        frame.rawValue * UInt64(SealedGeometry.itemsPerFrame) + UInt64(index)
    }
}

/// What a nonce is for, apart from the domains of slots.
private enum Domain: UInt32 {
    case item = 3
    case frame = 4
}

extension SealedFrameCipher {
    private func sealItem(
        _ number: UInt64, entry: UnsafeMutableRawPointer, body: UnsafeMutableRawPointer?
    ) throws(CryptoError) {
        switch mechanism {
        case .plain(let prefix):
            let tag = Self.checksum(prefix, .item, number, entry, body)
            (entry + SlotDescriptor.size).copyMemory(from: tag, byteCount: tag.count)
        case .aead(let key):
            try key.withContext { context throws(CryptoError) in
                try context.beginSeal(nonce: Nonce(domain: Domain.item.rawValue, counter: number))
                try context.sealPart(.init(start: entry, count: SlotDescriptor.size), into: entry)
                if let body {
                    try context.sealPart(.init(start: body, count: Format.blockSize), into: body)
                }
                try context.finishSeal(tag: entry + SlotDescriptor.size)
            }
        }
    }

    /// nil if it is not authentic, or needs a body and there is none. The kind in the unverified
    /// descriptor only chooses whether the body is part of the message.
    private func openItem(
        _ number: UInt64, entry: UnsafeMutableRawPointer, body: UnsafeMutableRawPointer?
    ) throws(CryptoError) -> SealedItem? {
        let tag = entry + SlotDescriptor.size
        switch mechanism {
        case .plain(let prefix):
            guard let item = SlotDescriptor(bytes: entry).flatMap({ SealedItem($0) }),
                !item.hasBody || body != nil
            else { return nil }
            let computed = Self.checksum(
                prefix, .item, number, entry, item.hasBody ? body : nil)
            return UnsafeRawBufferPointer(start: tag, count: computed.count)
                .elementsEqual(computed) ? item : nil
        case .aead(let key):
            return try key.withContext { context throws(CryptoError) -> SealedItem? in
                try context.beginOpen(nonce: Nonce(domain: Domain.item.rawValue, counter: number))
                try context.openPartUnverified(
                    .init(start: entry, count: SlotDescriptor.size), into: entry)
                guard let item = SlotDescriptor(bytes: entry).flatMap({ SealedItem($0) }),
                    !item.hasBody || body != nil
                else { return nil }
                if item.hasBody, let body {
                    try context.openPartUnverified(
                        .init(start: body, count: Format.blockSize), into: body)
                }
                return context.finishOpen(tag: tag) ? item : nil
            }
        }
    }

    /// The tag over a frame's public fields, 16 bytes.
    private func tag(_ fields: SealedFrameFields) throws(CryptoError) -> [UInt8] {
        let message = fields.encoded
        switch mechanism {
        case .plain(let prefix):
            return Self.checksum(prefix, .frame, fields.number.rawValue, message, nil)
        case .aead(let key):
            var room = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))  // fields, then tag
            return try withUnsafeMutableBytes(of: &room) { room throws(CryptoError) -> [UInt8] in
                room.copyBytes(from: message)
                let nonce = Nonce(domain: Domain.frame.rawValue, counter: fields.number.rawValue)
                try key.withContext { context throws(CryptoError) in
                    try context.seal(
                        nonce: nonce, associatedData: .init(rebasing: room[..<16]),
                        plaintext: .init(start: nil, count: 0),
                        ciphertext: .init(start: nil, count: 0), tag: .init(rebasing: room[16...]))
                }
                return Array(room[16...])
            }
        }
    }

    /// XXH3-128 over prefix, domain, number, 16 bytes and, if there is one, the body.
    private static func checksum(
        _ prefix: [UInt8], _ domain: Domain, _ number: UInt64, _ fields: UnsafeRawPointer,
        _ body: UnsafeRawPointer?
    ) -> [UInt8] {
        var tag = [UInt8](repeating: 0, count: PlainChunkTag.size)
        let position = [UInt64(domain.rawValue), number]
        prefix.withUnsafeBytes { prefix in
            tag.withUnsafeMutableBytes { tag in
                PlainChunkTag.checksum(
                    prefix, position, 16, fields, body, into: tag.baseAddress!)  // 16 bytes
            }
        }
        return tag
    }
}
