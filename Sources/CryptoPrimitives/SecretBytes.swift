import COpenSSL
import Glibc

/// Secret bytes in a mapping of their own that is locked (never swapped), left out of core dumps,
/// read as zeros in a forked child, and wiped when their one owner ends.
///
/// There is nothing to print and nothing to compare: `withUnsafeBytes` is the only way to them.
/// A secret takes at least one page of locked memory. Use in a forked child stops the child.
public struct SecretBytes: ~Copyable, @unchecked Sendable {
    // Sendable holds because the bytes do not change once init has returned.

    /// Number of secret bytes.
    public let count: Int
    private let mapping: UnsafeMutableRawBufferPointer

    /// Maps `count` bytes and has `fill` write them. If `fill` throws they are wiped and unmapped.
    /// Throws `.lockedMemory`, `.invalidLength` for a negative count, and what `fill` throws.
    public init(
        count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(CryptoError) -> Void
    ) throws(CryptoError) {
        let mapping = try Self.map(count)
        do {
            try fill(UnsafeMutableRawBufferPointer(rebasing: mapping[..<count]))
        } catch {
            Self.unmap(mapping)
            throw error
        }
        mapping[mapping.count - 1] = Self.mark
        self.mapping = mapping
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
            mapping[mapping.count - 1] == Self.mark,
            "a secret was used in a forked child; fork (daemonise) before any key is loaded")
        return try body(UnsafeRawBufferPointer(rebasing: mapping[..<count]))
    }

    deinit { Self.unmap(mapping) }
}

extension SecretBytes {
    /// From <linux/mman.h>, which Glibc's module does not carry.
    private static let dontDump: Int32 = 16
    private static let wipeOnFork: Int32 = 18
    /// The last byte of a mapping whose secret is there. Invariant: it lies after the secret.
    private static let mark: UInt8 = 0xA5

    /// Whole locked pages for `count` bytes and the mark; never none, so the address is not nil.
    private static func map(_ count: Int) throws(CryptoError) -> UnsafeMutableRawBufferPointer {
        guard count >= 0, count <= 1 << 30 else {
            throw CryptoError(.invalidLength, "a secret of \(count) bytes was asked for")
        }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let length = (count / page + 1) * page
        let protection = PROT_READ | PROT_WRITE
        guard
            let start = mmap(nil, length, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            start != MAP_FAILED
        else {
            throw refused("map", length)
        }
        guard mlock(start, length) == 0, madvise(start, length, dontDump) == 0 else {
            let error = refused("lock", length)
            munmap(start, length)
            throw error
        }
        // Kernels before 4.14 do not know it; the program forks only to exec, so it is a second
        // line of defence and may be refused.
        _ = madvise(start, length, wipeOnFork)
        return UnsafeMutableRawBufferPointer(start: start, count: length)
    }

    private static func unmap(_ mapping: UnsafeMutableRawBufferPointer) {
        OPENSSL_cleanse(mapping.baseAddress, mapping.count)
        munmap(mapping.baseAddress, mapping.count)
    }

    private static func refused(_ what: String, _ length: Int) -> CryptoError {
        CryptoError(
            .lockedMemory,
            "cannot \(what) \(length) bytes of memory for a key:"
                + " \(String(cString: strerror(errno))); raise the limit of"
                + " locked memory (ulimit -l, LimitMEMLOCK= in a unit)"
        )
    }
}
