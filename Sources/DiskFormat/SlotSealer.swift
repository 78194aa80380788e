import CryptoPrimitives

/// Seals and opens one slot in place. `entry` has 32 bytes (descriptor, then tag), `body` 4096.
protocol SlotSealer: ~Copyable {
    /// Turns the plain descriptor in `entry` and the plain body into a sealed slot.
    /// Precondition: (domain, slot) was never sealed with other content under this chunk's key.
    func sealSlot(
        domain: SlotDomain, slot: UInt32, entry: UnsafeMutableRawPointer,
        body: UnsafeRawPointer?, into sealedBody: UnsafeMutableRawPointer
    ) throws(CryptoError)

    /// Opens a slot that must have a body; false if it is not authentic.
    func openSlot(slot: UInt32, entry: UnsafeMutableRawPointer, body: UnsafeMutableRawPointer)
        throws(CryptoError) -> Bool

    /// Opens a slot of any kind; nil if it is not authentic.
    func openAnySlot(slot: UInt32, entry: UnsafeMutableRawPointer, body: UnsafeMutableRawPointer)
        throws(CryptoError) -> SlotDescriptor?
}

extension AESGCMContext: SlotSealer {
    func sealSlot(
        domain: SlotDomain, slot: UInt32, entry: UnsafeMutableRawPointer,
        body: UnsafeRawPointer?, into sealedBody: UnsafeMutableRawPointer
    ) throws(CryptoError) {
        try beginSeal(nonce: Nonce(domain: domain.rawValue, counter: UInt64(slot)))
        try sealPart(UnsafeRawBufferPointer(start: entry, count: SlotDescriptor.size), into: entry)
        if let body {
            try sealPart(
                UnsafeRawBufferPointer(start: body, count: Format.blockSize), into: sealedBody)
        }
        try finishSeal(tag: entry + SlotDescriptor.size)
    }

    func openSlot(slot: UInt32, entry: UnsafeMutableRawPointer, body: UnsafeMutableRawPointer)
        throws(CryptoError) -> Bool
    {
        try beginOpen(nonce: Nonce(domain: SlotDomain.slot.rawValue, counter: UInt64(slot)))
        try openDescriptor(entry, into: entry)
        try openPartUnverified(
            UnsafeRawBufferPointer(start: body, count: Format.blockSize), into: body)
        return finishOpen(tag: entry + SlotDescriptor.size)
    }

    /// The kind inside the still unverified descriptor only chooses whether the body is part of the
    /// message; the tag then decides whether any of it is true.
    func openAnySlot(slot: UInt32, entry: UnsafeMutableRawPointer, body: UnsafeMutableRawPointer)
        throws(CryptoError) -> SlotDescriptor?
    {
        var plain: (UInt64, UInt64) = (0, 0)
        return try withUnsafeMutableBytes(of: &plain) {
            buffer throws(CryptoError) -> SlotDescriptor? in
            let descriptor = buffer.baseAddress!  // 16 bytes
            try beginOpen(nonce: Nonce(domain: SlotDomain.slot.rawValue, counter: UInt64(slot)))
            try openDescriptor(entry, into: descriptor)
            if let found = SlotDescriptor(bytes: descriptor), found.kind != .void {
                if found.kind.hasBody {
                    try openPartUnverified(
                        UnsafeRawBufferPointer(start: body, count: Format.blockSize), into: body)
                }
                return finishOpen(tag: entry + SlotDescriptor.size) ? found : nil
            }
            try beginOpen(nonce: Nonce(domain: SlotDomain.void.rawValue, counter: UInt64(slot)))
            try openDescriptor(entry, into: descriptor)
            guard finishOpen(tag: entry + SlotDescriptor.size),
                SlotDescriptor(bytes: descriptor) == .void
            else { return nil }
            return .void
        }
    }

    private func openDescriptor(_ entry: UnsafeRawPointer, into plain: UnsafeMutableRawPointer)
        throws(CryptoError)
    {
        try openPartUnverified(
            UnsafeRawBufferPointer(start: entry, count: SlotDescriptor.size), into: plain)
    }
}

extension PlainChunkTag: SlotSealer {
    func sealSlot(
        domain: SlotDomain, slot: UInt32, entry: UnsafeMutableRawPointer,
        body: UnsafeRawPointer?, into sealedBody: UnsafeMutableRawPointer
    ) throws(CryptoError) {
        if let body { sealedBody.copyMemory(from: body, byteCount: Format.blockSize) }
        compute(
            domain: domain, slot: slot, descriptor: entry, body: body,
            into: entry + SlotDescriptor.size)
    }

    func openSlot(slot: UInt32, entry: UnsafeMutableRawPointer, body: UnsafeMutableRawPointer)
        throws(CryptoError) -> Bool
    {
        matches(domain: .slot, slot: slot, entry: entry, body: body)
    }

    func openAnySlot(slot: UInt32, entry: UnsafeMutableRawPointer, body: UnsafeMutableRawPointer)
        throws(CryptoError) -> SlotDescriptor?
    {
        guard let found = SlotDescriptor(bytes: entry) else { return nil }
        let domain: SlotDomain = found.kind == .void ? .void : .slot
        return matches(
            domain: domain, slot: slot, entry: entry, body: found.kind.hasBody ? body : nil)
            ? found : nil
    }

    private func matches(
        domain: SlotDomain, slot: UInt32, entry: UnsafeRawPointer, body: UnsafeRawPointer?
    ) -> Bool {
        var tag: (UInt64, UInt64) = (0, 0)
        return withUnsafeMutableBytes(of: &tag) { buffer in
            let computed = buffer.baseAddress!  // 16 bytes
            compute(domain: domain, slot: slot, descriptor: entry, body: body, into: computed)
            return UnsafeRawBufferPointer(buffer).elementsEqual(
                UnsafeRawBufferPointer(start: entry + SlotDescriptor.size, count: Self.size))
        }
    }
}
