import CryptoPrimitives

/// Where the secret that opens a keystore comes from. Never an argument of a command: those are
/// shown to every user of the host.
public enum Unlocker: Sendable {
    /// A passphrase that the program hands over when it is asked for.
    case passphrase(@Sendable () throws(KeyError) -> SecretBytes)
    /// A passphrase typed at the terminal, without echo.
    case prompt
    /// A passphrase that is the first line a command prints; run by /bin/sh.
    case passphraseCommand(String)
    /// A file of at least 32 random bytes that only its owner can read.
    case keyFile(String)
    /// A file that holds a recovery key's text, which only its owner can read.
    case recoveryKeyFile(String)

    /// How it is described in the keystore, for later runs that name no unlocker.
    var kind: UnlockerKind {
        switch self {
        case .passphrase, .prompt: .passphrase
        case .passphraseCommand: .passphraseCommand
        case .keyFile: .keyFile
        case .recoveryKeyFile: .recoveryKey
        }
    }
}

/// The unlocker in the keystore's words. The two passphrase kinds open the same keystores: the
/// difference is a hint of where the passphrase comes from.
enum UnlockerKind: String, Codable, Sendable {
    case passphrase
    case passphraseCommand = "passphrase-command"
    case keyFile = "key-file"
    case recoveryKey = "recovery-key"

    var isPassphrase: Bool { self == .passphrase || self == .passphraseCommand }

    /// In messages.
    var words: String {
        switch self {
        case .passphrase, .passphraseCommand: "passphrase"
        case .keyFile: "key file"
        case .recoveryKey: "recovery key"
        }
    }
}

/// What a passphrase costs to guess: the parameters of scrypt (RFC 7914), kept in the keystore.
public struct ScryptCost: Sendable, Hashable, Codable {
    /// N: memory and time, a power of two.
    public let n: UInt64
    /// r: size of a block in 128 bytes.
    public let r: UInt32
    /// p: how many times over.
    public let p: UInt32

    public init(n: UInt64, r: UInt32, p: UInt32) {
        self.n = n
        self.r = r
        self.p = p
    }

    /// 64 MiB and some tenths of a second.
    public static let standard = ScryptCost(n: 1 << 17, r: 8, p: 1)

    /// A keystore may come from anyone: parameters above these would take the host's memory or
    /// hours before the first check. 1 GiB at most.
    var isAcceptable: Bool {
        n > 1 && n <= 1 << 20 && n & (n - 1) == 0 && (1...32).contains(r) && (1...16).contains(p)
            && 128 * n * UInt64(r) <= 1 << 30
    }
}
