import KeyManagement
import PKCS11Keys
import VaultKeys

/// Who holds the CMK instead of the keystore's file: a token behind PKCS #11 (`pkcs11:…`, RFC 7512)
/// or a server of Vault's interface (`vault+https://…`).
enum KeyServiceURI: Sendable, Hashable {
    case token(PKCS11URI)
    case server(VaultURI)

    /// Throws `.io`, saying what cannot be used and never repeating the URI: a secret may be in it.
    init(_ text: String) throws(KeyError) {
        let scheme = text.prefix { $0 != ":" }.lowercased()
        switch scheme {
        case "pkcs11": self = .token(try PKCS11URI(text))
        case "vault+https", "vault+http": self = .server(try VaultURI(text))
        default:
            throw KeyError(
                .io,
                "a key service is named by pkcs11:… or vault+https://…, and by nothing else")
        }
    }

    /// What of this host it reads, and how that is called in messages.
    var hostFiles: [(what: String, path: String)] {
        switch self {
        case .token(let uri):
            [("PKCS #11 module", uri.modulePath)] + (uri.pinFile.map { [("PIN file", $0)] } ?? [])
        case .server(let uri):
            (uri.certificates.map { [("file of certificates", $0)] } ?? [])
                + (uri.tokenFile.map { [("token file", $0)] } ?? [])
        }
    }

    /// Whether a person is asked for the credential.
    var asksAtTerminal: Bool {
        switch self {
        case .token(let uri): uri.asksAtTerminal
        case .server(let uri): uri.asksAtTerminal
        }
    }

    /// The service of an account and region. Touches nothing until it is used.
    func backend(account: String, region: String) throws(KeyError) -> any KeyBackend {
        switch self {
        case .token(let uri): try PKCS11Backend(uri, account: account, region: region)
        case .server(let uri): try VaultBackend(uri, account: account, region: region)
        }
    }
}
