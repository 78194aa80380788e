import CryptoPrimitives
import Glibc

/// Getting a passphrase without leaving copies of it: it is read straight into locked memory.
enum Passphrase {
    static let maximumLength = 1024

    /// The passphrase of an unlocker. `confirm`: it is a new one, so a prompt asks twice.
    static func get(
        from unlocker: Unlocker, keystore: String, confirm: Bool
    ) throws(KeyError) -> SecretBytes {
        switch unlocker {
        case .passphrase(let source): return try notEmpty(try source())
        case .passphraseCommand(let command):
            return try notEmpty(try PassphraseCommand.run(command, keystore: keystore))
        case .keyFile(let path): return try KeyFile.read(path)
        case .recoveryKeyFile(let path):
            let text = try KeyFile.read(path)
            guard try RecoveryKey.decoded(text) != nil else {
                throw KeyError(
                    .locked, "\(path) holds no recovery key, or one that was written down wrongly")
            }
            return text
        case .prompt:
            let terminal = try Terminal.open()
            let question =
                (confirm ? "New passphrase" : "Passphrase") + " for keystore \(keystore): "
            let first = try notEmpty(try terminal.ask(question))
            if confirm {
                let second = try terminal.ask("The same again: ")
                guard equal(first, second) else {
                    throw KeyError(.locked, "the two passphrases differ; nothing was changed")
                }
            }
            return first
        }
    }

    /// The first line that `read` gives, without its end. `read` returns 0 at the end of input.
    static func line(
        _ read: (UnsafeMutableRawPointer) throws(KeyError) -> Int
    ) throws(KeyError) -> SecretBytes {
        var length = 0
        var failure: KeyError?
        let buffer = try withCrypto("hold a passphrase") { () throws(CryptoError) in
            try SecretBytes(count: maximumLength + 1) { (buffer) throws(CryptoError) in
                do throws(KeyError) {
                    while length < buffer.count {
                        if try read(buffer.baseAddress! + length) == 0 { break }
                        if buffer[length] == UInt8(ascii: "\n") { break }
                        length += 1
                    }
                } catch { failure = error }
            }
        }
        if let failure { throw failure }
        guard length <= maximumLength else {
            throw KeyError(.locked, "a passphrase has at most \(maximumLength) bytes")
        }
        return try withCrypto("hold a passphrase") { () throws(CryptoError) in
            try SecretBytes(count: length) { target in
                buffer.withUnsafeBytes { target.copyMemory(from: .init(rebasing: $0[..<length])) }
            }
        }
    }

    /// Of a new passphrase (NIST SP 800-63B, 5.1.1.2), in bytes.
    static let minimumLength = 8

    /// Whoever has the keystore's file may guess as long as he likes.
    static func demandStrength(of passphrase: borrowing SecretBytes) throws(KeyError) {
        guard passphrase.count >= minimumLength else {
            throw KeyError(
                .locked,
                "a new passphrase has at least \(minimumLength) bytes; several words are better,"
                    + " and a key file is best. Nothing was made")
        }
    }

    private static func notEmpty(_ passphrase: consuming SecretBytes) throws(KeyError)
        -> SecretBytes
    {
        guard passphrase.count > 0 else {
            throw KeyError(.locked, "the passphrase is empty; an empty one protects nothing")
        }
        return passphrase
    }

    private static func equal(_ a: borrowing SecretBytes, _ b: borrowing SecretBytes) -> Bool {
        a.withUnsafeBytes { a in b.withUnsafeBytes { b in constantTimeEqual(a, b) } }
    }
}
