/// Secret bytes in memory that is locked (never swapped), left out of core dumps, reads as zeros in
/// a forked child, and is wiped when their one owner ends.
///
/// There is nothing to print and nothing to compare: `withUnsafeBytes` is the only way to them.
/// Secrets of up to 32 bytes share locked pages; a longer one takes pages of its own. Use in a
/// forked child stops the child.
public struct SecretBytes: ~Copyable, @unchecked Sendable {
    // Sendable holds because the bytes do not change once init has returned.

    /// Number of secret bytes.
    public let count: Int
    /// The secret's slot of the pool, or its own mapping.
    private let memory: UnsafeMutableRawBufferPointer
    private let isPooled: Bool
    /// Lies in the same page as the secret, or in its last: wiped by a fork when the secret is.
    private let markPlace: UnsafeRawPointer

    static let mark: UInt8 = 0xA5

    /// Takes memory for `count` bytes and has `fill` write them. If `fill` throws they are wiped
    /// and given back.
    /// Throws `.lockedMemory`, `.invalidLength` for a negative count, and what `fill` throws.
    public init(
        count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(CryptoError) -> Void
    ) throws(CryptoError) {
        guard count >= 0, count <= 1 << 30 else {
            throw CryptoError(.invalidLength, "a secret of \(count) bytes was asked for")
        }
        let isPooled = count <= SecretPool.slotSize
        let (memory, markPlace) =
            isPooled ? try SecretPool.shared.take() : try Self.takePages(for: count)
        do {
            try fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<count]))
        } catch {
            Self.giveBack(memory, isPooled)
            throw error
        }
        self.memory = memory
        self.isPooled = isPooled
        self.markPlace = markPlace
        self.count = count
    }

    /// A secret with the same bytes; wiping `bytes` afterwards is up to the caller.
    public init(copying bytes: UnsafeRawBufferPointer) throws(CryptoError) {
        try self.init(count: bytes.count) { (buffer) throws(CryptoError) in
            buffer.copyMemory(from: bytes)
        }
    }

    /// `count` fresh random bytes.
    public static func random(
        count: Int, from entropy: some Entropy
    ) throws(CryptoError) -> SecretBytes {
        try SecretBytes(count: count) { (buffer) throws(CryptoError) in
            try entropy.fill(buffer)
        }
    }

    /// Lends the bytes; the pointer must not outlive the call.
    public borrowing func withUnsafeBytes<R: ~Copyable, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        // A forked child finds the mark wiped with the secret. Going on would seal under a key of
        // zeros, so it ends here.
        precondition(
            markPlace.load(as: UInt8.self) == Self.mark,
            "a secret was used in a forked child; fork (daemonise) before any key is loaded")
        return try body(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }

    deinit { Self.giveBack(memory, isPooled) }

    /// Whole pages for `count` bytes and the mark behind them.
    private static func takePages(for count: Int) throws(CryptoError) -> (
        UnsafeMutableRawBufferPointer, UnsafeRawPointer
    ) {
        let page = SecretPages.pageSize
        let mapping = try SecretPages.map((count / page + 1) * page)
        mapping[mapping.count - 1] = mark
        // A mapping has a base address.
        return (mapping, UnsafeRawPointer(mapping.baseAddress! + mapping.count - 1))
    }

    private static func giveBack(_ memory: UnsafeMutableRawBufferPointer, _ isPooled: Bool) {
        if isPooled {
            SecretPool.shared.giveBack(memory)
        } else {
            SecretPages.unmap(memory)
        }
    }
}
