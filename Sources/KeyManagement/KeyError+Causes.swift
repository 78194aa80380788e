import CryptoPrimitives
import Glibc

extension KeyError {
    /// A system call that failed, with errno's text. Call it before anything else changes errno.
    static func system(_ what: String, _ path: String) -> KeyError {
        KeyError(.io, "cannot \(what) \(path): \(String(cString: strerror(errno)))")
    }

    /// A cryptographic call that failed for a reason that is not the data's.
    static func crypto(_ error: CryptoError, _ what: String) -> KeyError {
        KeyError(.io, "cannot \(what): \(error.message)")
    }
}

/// Runs cryptography whose failure has nothing to do with the data: no memory, no entropy.
package func withCrypto<R: ~Copyable>(
    _ what: String, _ body: () throws(CryptoError) -> R
) throws(KeyError) -> R {
    do throws(CryptoError) {
        return try body()
    } catch {
        throw KeyError.crypto(error, what)
    }
}
