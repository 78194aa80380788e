/// Up to `capacity` consecutive slots of one chunk, sealed and ready to be stored: a reusable
/// buffer. Only a `ChunkCipher` can put anything into it, so whatever a store gets from here is
/// sealed. Used by one thread at a time.
public final class SealedRun: @unchecked Sendable {
    // @unchecked: the pool hands a run to one thread at a time; nothing here is shared.

    public let capacity: Int
    /// The first slot, the number of slots, and whether their bodies are part of the run.
    public private(set) var firstSlot: UInt32 = 0
    public private(set) var count = 0
    public private(set) var hasBodies = false
    private let bodies: UnsafeMutableRawPointer
    private let entries: UnsafeMutableRawPointer

    public init(capacity: Int) {
        self.capacity = capacity
        // Page-aligned, so that the kernel copies whole pages.
        bodies = .allocate(byteCount: capacity * Format.blockSize, alignment: 4096)
        entries = .allocate(byteCount: capacity * Format.entrySize, alignment: 64)
    }

    deinit {
        bodies.deallocate()
        entries.deallocate()
    }

    public var entryBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: entries, count: count * Format.entrySize)
    }

    /// Empty for a run without bodies.
    public var bodyBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bodies, count: hasBodies ? count * Format.blockSize : 0)
    }

    func begin(at slot: UInt32, hasBodies: Bool) {
        firstSlot = slot
        count = 0
        self.hasBodies = hasBodies
    }

    /// Room for the next slot's entry and body. Precondition: the run is not full.
    func appendSlot() -> Place {
        precondition(count < capacity)
        defer { count += 1 }
        return Place(
            slot: firstSlot + UInt32(count), entry: entries + count * Format.entrySize,
            body: bodies + count * Format.blockSize)
    }

    /// Where one slot of the run goes.
    struct Place {
        let slot: UInt32
        let entry: UnsafeMutableRawPointer
        let body: UnsafeMutableRawPointer
    }
}

/// Consecutive slots as a store returned them: ciphertext at best, until a `ChunkCipher` opens it.
/// The memory belongs to the caller and must outlive the value.
public struct UnopenedRun {
    let firstSlot: UInt32
    let count: Int
    let entries: UnsafeMutableRawPointer
    let bodies: UnsafeMutableRawPointer

    /// Precondition: `entries` has 32 bytes a slot and `bodies` 4096.
    public init(
        firstSlot: UInt32, entries: UnsafeMutableRawBufferPointer,
        bodies: UnsafeMutableRawBufferPointer
    ) {
        count = entries.count / Format.entrySize
        // The callers cut both from buffers of a fixed number of slots.
        precondition(bodies.count == count * Format.blockSize && count > 0)
        self.firstSlot = firstSlot
        // A buffer with bytes has a base address.
        self.entries = entries.baseAddress!
        self.bodies = bodies.baseAddress!
    }
}

extension UnopenedRun {
    public var slots: Range<UInt32> { firstSlot..<firstSlot + UInt32(count) }

    /// Whether nothing was ever stored in a slot's entry.
    public func isBlank(_ index: Int) -> Bool {
        UnsafeRawBufferPointer(
            start: entries + index * Format.entrySize, count: Format.entrySize
        ).allSatisfy { $0 == 0 }
    }

    /// The body of a slot that was opened, in place.
    public func body(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bodies + index * Format.blockSize, count: Format.blockSize)
    }
}
