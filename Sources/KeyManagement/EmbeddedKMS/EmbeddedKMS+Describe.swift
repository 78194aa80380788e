import Glibc

/// How a keystore opens, as it says itself: not verified, for it is told before anything is opened.
public enum KeystoreOpening: Sendable, Hashable {
    /// A passphrase, typed or printed by a command; the keystore does not hold the command.
    case passphrase
    case passphraseCommand
    /// Nothing but a recovery key is left.
    case recoveryKey
    /// The key file that it was last opened with, and whether there is a file at that place; no
    /// place if the keystore remembers none.
    case keyFile(path: String?, isThere: Bool)
}

extension EmbeddedKMS {
    /// How the keystore opens when nothing else is said; nil if there is none. Opens nothing and
    /// asks nobody. Throws `.io`.
    public func opening() throws(KeyError) -> KeystoreOpening? {
        guard let all = try keystore.read()?.claimed.unlockers else { return nil }
        let description = Self.suggested(among: all)
        switch description?.kind {
        case nil, .recoveryKey: return .recoveryKey
        case .passphrase: return .passphrase
        case .passphraseCommand: return .passphraseCommand
        case .keyFile:
            let isThere = description?.keyFile.map { access($0, F_OK) == 0 } ?? false
            return .keyFile(path: description?.keyFile, isThere: isThere)
        }
    }
}
