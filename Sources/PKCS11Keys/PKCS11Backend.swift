import CryptoPrimitives
import KeyManagement
import Synchronization

/// The CMK in a hardware security module, smart card or software token behind PKCS #11 (2.40).
///
/// The token makes the CMK, and wraps and unwraps inside: the key never leaves it. Nothing is
/// touched before the first call, so a process may fork until then.
public final class PKCS11Backend: KeyBackend {
    public let account: String
    public let region: String
    public let location: String

    let uri: PKCS11URI
    let entropy: any Entropy
    let name: TokenKeyName
    private let clock: any WallClock
    private let limit: Double
    private let thread = CallThread()
    private let token: Token
    /// Held while asking, so that a person is asked once however many calls wait.
    private let pin = Mutex<SharedSecret?>(nil)

    /// `limit`: how long the token may take for a call, in seconds; then it is `.unavailable`.
    /// Throws `.io` if the CMK cannot be named.
    public init(
        _ uri: PKCS11URI, account: String, region: String, limit: Double = 30,
        clock: any WallClock = SystemClock(), entropy: any Entropy = SystemEntropy()
    ) throws(KeyError) {
        self.account = account
        self.region = region
        self.uri = uri
        self.limit = limit
        self.clock = clock
        self.entropy = entropy
        location = uri.location
        name = try TokenKeyName(
            label: uri.object ?? "sealdisk \(account) \(region)", account: account, region: region)
        token = Token(uri)
    }

    deinit {
        let token = token
        thread.end { token.close() }
    }

    /// What the token's mark of activation is called.
    var markLabel: String { "sealdisk \(account) \(region)" }

    func newKeyID() throws(KeyError) -> String {
        try withCrypto("name a CMK") { () throws(CryptoError) in
            try UUID.timed(clock.now(), from: entropy)
        }
    }

    /// Runs `body` on the backend's thread, in a session; logged in unless it is for all to see.
    /// `body` owns all it touches: it may end after the caller gave up.
    func onToken<R: Sendable>(
        publicly: Bool = false, _ body: @escaping @Sendable (Token) throws(TokenError) -> R
    ) throws(KeyError) -> R {
        let pin = publicly ? nil : try currentPIN()
        let outcome = Outcome<R>()
        let (token, entered) = (token, pin)
        let isDone = thread.run(limit: limit) {
            do throws(TokenError) {
                outcome.set(.success(try token.perform(pin: entered, body)))
            } catch {
                outcome.set(.failure(error))
            }
        }
        guard isDone, let result = outcome.get() else {
            throw KeyError(
                .unavailable,
                "token \(uri.tokenName) did not answer within \(limit) s; see whether its module"
                    + " \(uri.modulePath) reaches it")
        }
        switch result {
        case .success(let value): return value
        case .failure(let failure):
            let error = failure.keyError(uri.tokenName)
            // The source may hold another one by the next time.
            if error.code == .locked { forget(pin) }
            throw error
        }
    }

    private func currentPIN() throws(KeyError) -> SharedSecret {
        let name = "PIN of token \(uri.tokenName)"
        return try pin.withLock { (pin) throws(KeyError) -> SharedSecret in
            if let pin { return pin }
            let read = SharedSecret(try uri.pinSource.read(name))
            pin = read
            return read
        }
    }

    private func forget(_ refused: SharedSecret?) {
        pin.withLock { if $0 === refused { $0 = nil } }
    }
}

/// What a job ended with, for whoever still waits for it.
private final class Outcome<R: Sendable>: Sendable {
    private let result = Mutex<Result<R, TokenError>?>(nil)

    func set(_ value: Result<R, TokenError>) { result.withLock { $0 = value } }
    func get() -> Result<R, TokenError>? { result.withLock { $0 } }
}
