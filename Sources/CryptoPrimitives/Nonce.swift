/// A 96-bit nonce of AES-GCM. It has no default and no random initialiser: whoever seals states why
/// the nonce is new under this key.
public struct Nonce: Sendable, Hashable {
    public static let length = 12

    // Three words without padding, each in little-endian memory order: the struct's own memory is
    // the nonce, and no allocation stands between a counter and the cipher.
    private let word0: UInt32
    private let word1: UInt32
    private let word2: UInt32

    /// 4 bytes `domain` ‖ 8 bytes `counter`, both little-endian.
    public init(domain: UInt32, counter: UInt64) {
        word0 = domain.littleEndian
        word1 = UInt32(truncatingIfNeeded: counter).littleEndian
        word2 = UInt32(truncatingIfNeeded: counter >> 32).littleEndian
    }

    /// A nonce that was stored, or drawn at random by a caller who bounds how many there are.
    public init(bytes: [UInt8]) {
        // A length that is not 12 is a programming error: callers cut fixed fields.
        precondition(bytes.count == Self.length, "a nonce has 12 bytes")
        (word0, word1, word2) = bytes.withUnsafeBytes {
            (
                $0.loadUnaligned(fromByteOffset: 0, as: UInt32.self),
                $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self),
                $0.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
            )
        }
    }

    /// The 12 bytes as they go into the cipher.
    public var bytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        Swift.withUnsafeBytes(of: self, body)
    }
}
