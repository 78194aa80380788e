import CryptoPrimitives
import Glibc
import Synchronization

/// Where a key service's credential comes from: a token's PIN, a server's access token. Never from
/// a URI, an argument or a variable of the environment: those are shown to others.
package enum CredentialSource: Sendable, Hashable {
    /// The first line of a file that only its owner can read.
    case file(String)
    /// The first line that a command prints; run by /bin/sh.
    case command(String)
    /// Typed at the terminal, without echo.
    case prompt

    /// `file:/path`, `file:///path`, `/path`, `|command` (RFC 7512) or `command:…`; nil for what is
    /// none of these.
    package init?(_ text: String) {
        let prefixes = ["|", "command:"]
        if let prefix = prefixes.first(where: text.hasPrefix), text != prefix {
            self = .command(String(text.dropFirst(prefix.count)))
            return
        }
        var path = text.hasPrefix("file:") ? String(text.dropFirst("file:".count)) : text
        if path.hasPrefix("///") { path = String(path.dropFirst(2)) }
        guard path.hasPrefix("/"), !path.hasPrefix("//"), path != "/" else { return nil }
        self = .file(path)
    }

    /// Of the file.
    package var path: String? {
        if case .file(let path) = self { return path }
        return nil
    }

    /// The credential; `what` names it in questions and errors (`PIN of token …`). Takes as long as
    /// a person or a command takes. Throws `.locked`.
    package func read(_ what: String) throws(KeyError) -> SecretBytes {
        let secret: SecretBytes
        do throws(KeyError) {
            switch self {
            case .file(let path): secret = try Self.firstLine(of: path, what)
            case .command(let command):
                secret = try PassphraseCommand.run(command, name: "the command for the \(what)")
            case .prompt: secret = try Terminal.open().ask("The \(what): ")
            }
        } catch {
            throw KeyError(.locked, error.message)
        }
        guard secret.count > 0 else { throw KeyError(.locked, "the \(what) is empty") }
        return secret
    }

    private static func firstLine(
        of path: String, _ what: String
    ) throws(KeyError) -> SecretBytes {
        guard let file = try FileDescriptor.openIfPresent(path, O_RDONLY | O_NONBLOCK) else {
            throw KeyError(.locked, "there is no file \(path) with the \(what)")
        }
        try HostFile.requireOwned(
            try file.status(), path, forbidden: 0o077,
            advice: "whoever read it has the \(what); if nobody did, chmod 600 \(path)")
        return try Passphrase.line { (byte) throws(KeyError) in
            try file.read(into: UnsafeMutableRawBufferPointer(start: byte, count: 1))
        }
    }
}

/// A secret with several owners, wiped with the last of them: for what one thread asks for and
/// another uses.
package final class SharedSecret: Sendable {
    private let bytes: SecretBytes

    package init(_ bytes: consuming SecretBytes) { self.bytes = bytes }

    package var count: Int { bytes.count }

    /// Lends the bytes; the pointer must not outlive the call.
    package func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        bytes.withUnsafeBytes(body)
    }

    /// Whether both are the same bytes, in constant time.
    package func isEqual(to other: SharedSecret) -> Bool {
        withUnsafeBytes { a in other.withUnsafeBytes { b in constantTimeEqual(a, b) } }
    }
}

/// Holds one secret until it is taken: how a thread hands a secret to one that may no longer wait
/// for it.
package final class SecretSlot: Sendable {
    private let secret: Mutex<SecretBytes?>

    package init() { secret = Mutex(nil) }

    package init(_ bytes: consuming SecretBytes) { secret = Mutex(bytes) }

    package func put(_ bytes: consuming SecretBytes) {
        var bytes = Optional(bytes)
        secret.withLock { $0 = bytes.take() }
    }

    package func take() -> SecretBytes? { secret.withLock { $0.take() } }
}
