import COpenSSL
import Glibc
import Synchronization

/// Cipher contexts that nobody uses, each in a place of its own that is emptied and filled by one
/// atomic exchange. A lock here, however short, was spun on for a sixth of the processor's time
/// with 16 writers on 2 processors, whenever its holder lost the processor.
///
/// Invariant: a context is in one place at most, and in none while it is lent.
final class IdleContexts: Sendable {
    private static let count = 16
    private let places = InlineArray<16, Atomic<UInt>> { _ in Atomic(0) }

    deinit {
        // The provider wipes its key schedule when a context is freed.
        while let context = take() { EVP_CIPHER_CTX_free(context) }
    }

    /// A context, now the caller's alone; nil if all are lent.
    func take() -> OpaquePointer? {
        let start = Self.preferred
        for offset in 0..<Self.count {
            let place = (start + offset) % Self.count
            if places[place].load(ordering: .relaxed) == 0 { continue }
            let found = places[place].exchange(0, ordering: .acquiring)
            if let context = OpaquePointer(bitPattern: found) { return context }
        }
        return nil
    }

    /// Takes a context back; frees it if every place is taken.
    func put(_ context: OpaquePointer) {
        let start = Self.preferred
        for offset in 0..<Self.count {
            let place = (start + offset) % Self.count
            let (done, _) = places[place].compareExchange(
                expected: 0, desired: UInt(bitPattern: context), ordering: .releasing)
            if done { return }
        }
        EVP_CIPHER_CTX_free(context)
    }

    /// Threads begin in different places, so that they seldom meet and find their own context warm.
    private static var preferred: Int {
        let page = UInt(pthread_self()) >> 12
        return Int((page ^ page >> 8) % UInt(count))
    }
}
