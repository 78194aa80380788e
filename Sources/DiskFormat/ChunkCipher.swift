import CryptoPrimitives

/// Seals and opens the slots of one chunk. A slot is one message: plaintext = descriptor ‖ body,
/// nonce = domain ‖ slot, key = the chunk's. What it stores is the entry (sealed descriptor ‖ tag)
/// and the sealed body.
///
/// Invariant it relies on, kept by the log: a slot is sealed with one content only.
public final class ChunkCipher: Sendable {
    private enum Mechanism: Sendable {
        case aead(AESGCMKey)
        case plain(PlainChunkTag)
    }

    private let mechanism: Mechanism

    init(aead: AESGCMKey) { mechanism = .aead(aead) }
    init(plain: PlainChunkTag) { mechanism = .plain(plain) }

    /// Seals `count` slots from `first` on into `run`; `describe` gives each slot's descriptor and
    /// `body` its 4096 bytes of plaintext. Precondition: all kinds have bodies, `count` fits.
    public func seal(
        _ run: SealedRun, at first: UInt32, count: Int,
        describe: (Int) -> SlotDescriptor, body: (Int) -> UnsafeRawPointer
    ) throws(CryptoError) {
        run.begin(at: first, hasBodies: true)
        switch mechanism {
        case .plain(let tag):
            try Self.seal(run, count, .slot, with: tag, describe: describe, body: body)
        case .aead(let key):
            try key.withContext { context throws(CryptoError) in
                try Self.seal(run, count, .slot, with: context, describe: describe, body: body)
            }
        }
    }

    /// Seals one slot without a body: a discard.
    public func seal(_ run: SealedRun, at slot: UInt32, discard descriptor: SlotDescriptor)
        throws(CryptoError)
    {
        precondition(descriptor.kind == .discard)  // only discards are without a body
        try sealBodiless(run, at: slot, count: 1, .slot, descriptor)
    }

    /// Voids slots: the same constant under a nonce of its own, so doing it again changes nothing.
    public func void(_ run: SealedRun, at first: UInt32, count: Int) throws(CryptoError) {
        try sealBodiless(run, at: first, count: count, .void, .void)
    }

    private func sealBodiless(
        _ run: SealedRun, at first: UInt32, count: Int, _ domain: SlotDomain,
        _ descriptor: SlotDescriptor
    ) throws(CryptoError) {
        run.begin(at: first, hasBodies: false)
        switch mechanism {
        case .plain(let tag):
            try Self.seal(
                run, count, domain, with: tag, describe: { _ in descriptor }, body: { _ in nil })
        case .aead(let key):
            try key.withContext { context throws(CryptoError) in
                try Self.seal(
                    run, count, domain, with: context, describe: { _ in descriptor },
                    body: { _ in nil })
            }
        }
    }

    private static func seal<Sealer: SlotSealer & ~Copyable>(
        _ run: SealedRun, _ count: Int, _ domain: SlotDomain, with sealer: borrowing Sealer,
        describe: (Int) -> SlotDescriptor, body: (Int) -> UnsafeRawPointer?
    ) throws(CryptoError) {
        for index in 0..<count {
            let place = run.appendSlot()
            describe(index).write(to: place.entry)
            try sealer.sealSlot(
                domain: domain, slot: place.slot, entry: place.entry, body: body(index),
                into: place.body)
        }
    }

    /// Opens every slot of `run` in place and checks each descriptor against what was asked for.
    /// On failure returns the index of the first slot that is not authentic or not the one asked
    /// for, and the run's memory must not be used. Every slot must have a body.
    public func open(_ run: UnopenedRun, expecting: (Int) -> ExpectedSlot) throws(CryptoError)
        -> Int?
    {
        switch mechanism {
        case .plain(let tag): return try Self.open(run, with: tag, expecting: expecting)
        case .aead(let key):
            return try key.withContext { context throws(CryptoError) -> Int? in
                try Self.open(run, with: context, expecting: expecting)
            }
        }
    }

    private static func open<Sealer: SlotSealer & ~Copyable>(
        _ run: UnopenedRun, with sealer: borrowing Sealer, expecting: (Int) -> ExpectedSlot
    ) throws(CryptoError) -> Int? {
        for index in 0..<run.count {
            let entry = run.entries + index * Format.entrySize
            let body = run.bodies + index * Format.blockSize
            guard
                try sealer.openSlot(slot: run.firstSlot + UInt32(index), entry: entry, body: body),
                let descriptor = SlotDescriptor(bytes: entry),
                expecting(index).matches(descriptor)
            else { return index }
        }
        return nil
    }

    /// Opens one slot of `run` in place, whatever it is (recovery and scrub do not know). nil if it
    /// is not authentic.
    public func open(_ run: UnopenedRun, index: Int) throws(CryptoError) -> SlotDescriptor? {
        let slot = run.firstSlot + UInt32(index)
        let entry = run.entries + index * Format.entrySize
        let body = run.bodies + index * Format.blockSize
        switch mechanism {
        case .plain(let tag): return try tag.openAnySlot(slot: slot, entry: entry, body: body)
        case .aead(let key):
            return try key.withContext { context throws(CryptoError) -> SlotDescriptor? in
                try context.openAnySlot(slot: slot, entry: entry, body: body)
            }
        }
    }
}

/// What a reader asks a slot to be; anything else, however authentic, is damage.
public enum ExpectedSlot: Sendable {
    case data(BlockNumber)
    case mapPage(level: UInt8, index: UInt64)
    case checkpoint

    func matches(_ descriptor: SlotDescriptor) -> Bool {
        switch self {
        case .data(let block): descriptor.kind == .data && descriptor.index == block
        case .mapPage(let level, let index):
            descriptor.kind == .mapPage && descriptor.level == level && descriptor.index == index
        case .checkpoint: descriptor.kind == .checkpoint
        }
    }
}
