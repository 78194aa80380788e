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

    /// The service of an account and region. Touches nothing until it is used.
    func backend(account: String, region: String) throws(KeyError) -> any KeyBackend {
        switch self {
        case .token(let uri): try PKCS11Backend(uri, account: account, region: region)
        case .server(let uri): try VaultBackend(uri, account: account, region: region)
        }
    }
}
