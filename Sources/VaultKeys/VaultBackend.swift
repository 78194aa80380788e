import CryptoPrimitives
import KeyManagement
import Synchronization

/// The CMK in the transit engine of a server of HashiCorp Vault's interface (Vault, OpenBao).
///
/// The server makes the CMK, and wraps and unwraps inside. Data keys are made here, as with every
/// holder of a CMK. The engine's `rewrap` takes no associated data, so rewrapping is unwrapping and
/// wrapping. Nothing is touched before the first call.
public final class VaultBackend: KeyBackend {
    public let account: String
    public let region: String
    public let location: String

    let keyName: String
    /// Derived from the CMK's name, so it is the same as long as the name is: through rotation, the
    /// trimming of old versions, and a restored backup. One that was deleted and made anew under
    /// its name has it too; it refuses what the old one wrapped.
    let keyID: String
    let entropy: any Entropy
    let uri: VaultURI
    private let client: VaultClient
    /// Held while asking, so that a person is asked once however many calls wait.
    private let token = Mutex<SharedSecret?>(nil)

    /// `limit`: how long the server may take for a call, in seconds; then it is `.unavailable`.
    /// Throws `.io` if the CMK cannot be named.
    public init(
        _ uri: VaultURI, account: String, region: String, limit: Double = 30,
        entropy: any Entropy = SystemEntropy()
    ) throws(KeyError) {
        self.account = account
        self.region = region
        self.uri = uri
        self.entropy = entropy
        location = uri.location
        let keyName = uri.keyName(account: account, region: region)
        self.keyName = keyName
        client = VaultClient(uri: uri, limit: limit)
        keyID = try withCrypto("name a CMK") { () throws(CryptoError) in
            try UUID.derived(from: Array("sealdisk CMK of a transit engine 1\0\(keyName)".utf8))
        }
    }

    /// One call to the engine. What the statuses mean that no caller needs to tell apart is thrown;
    /// 200 to 299, 400 and 404 are left to it.
    func call(_ path: String, body: SharedSecret? = nil) throws(KeyError) -> VaultClient.Reply {
        let used = try currentToken()
        var reply = try client.call("\(uri.mount)/\(path)", token: used, body: body)
        if reply.status == 403 {
            forget(used)
            // Agents replace a token's file before it expires. A person is not asked again.
            if case .file = uri.tokenSource {
                let newer = try currentToken()
                if !newer.isEqual(to: used) {
                    reply = try client.call("\(uri.mount)/\(path)", token: newer, body: body)
                    if reply.status == 403 { forget(newer) }
                }
            }
        }
        switch reply.status {
        case 200..<300, 400, 404: return reply
        case 403:
            throw KeyError(
                .locked,
                "the key server \(location) denies this token: it is wrong, expired, or its policy"
                    + " lacks \(uri.mount)/\(path)")
        case 429:
            throw KeyError(
                .unavailable, "the key server \(location) has too many requests; try again later")
        case 503:
            throw KeyError(
                .unavailable, "the key server \(location) is sealed or being maintained; unseal it")
        case 300..<400:
            throw KeyError(
                .unavailable,
                "the key server \(location) points to another one, which is not followed; name"
                    + " the active server")
        default:
            throw KeyError(
                .unavailable, "the key server \(location) failed with status \(reply.status)")
        }
    }

    /// Why the engine said no, in its own words as far as they can be shown.
    func reason(_ reply: VaultClient.Reply) -> String {
        let errors = try? JSONCoding.decode(
            TransitErrors.self, from: Array(reply.body.bytes), "the server's reply")
        let text = errors?.errors.first ?? "status \(reply.status)"
        return String(text.prefix(200).filter { $0.isASCII && !$0.isNewline && $0 >= " " })
    }

    private func currentToken() throws(KeyError) -> SharedSecret {
        try token.withLock { (token) throws(KeyError) -> SharedSecret in
            if let token { return token }
            let read = SharedSecret(
                try uri.tokenSource.read("token for the key server \(location)"))
            token = read
            return read
        }
    }

    private func forget(_ used: SharedSecret) {
        token.withLock { if $0 === used { $0 = nil } }
    }
}
