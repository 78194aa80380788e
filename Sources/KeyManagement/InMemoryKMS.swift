import CryptoPrimitives
import Synchronization

/// A key management service without a file, log or lock: the reference the embedded one is compared
/// with, and the provider of simulations. Its CMK ends with it.
public final class InMemoryKMS: KeyProvider, KeyBackend {
    public let account: String
    public let region: String
    private let clock: any WallClock
    private let entropy: any Entropy
    private let state: Mutex<State>

    private struct State {
        var isActivated: Bool
        var masterKey: MasterKey?
        var created = Timestamp(seconds: 0)
        var keyState = KeyState.enabled
        var uses: [String: UInt64] = [:]
    }

    public init(
        account: String = "account", region: String = "region", activated: Bool = true,
        clock: any WallClock = SystemClock(), entropy: any Entropy = SystemEntropy()
    ) {
        self.account = account
        self.region = region
        self.clock = clock
        self.entropy = entropy
        state = Mutex(State(isActivated: activated))
    }

    /// False if it was already.
    @discardableResult
    public func activate() -> Bool {
        state.withLock { state in
            defer { state.isActivated = true }
            return !state.isActivated
        }
    }

    public var isActivated: Bool {
        get throws(KeyError) { state.withLock { $0.isActivated } }
    }

    /// Calls so far, refused ones too, by action.
    public func usage() -> [String: UInt64] { state.withLock { $0.uses } }

    /// What the CMK may be used for from now on.
    public func setKeyState(_ keyState: KeyState) { state.withLock { $0.keyState = keyState } }

    public func note(_ use: KeyUse) throws(KeyError) { count(use) }

    public func generateDataKey(
        context: KeyContext, use: KeyUse
    ) throws(KeyError) -> GeneratedDataKey {
        count(use)
        return try generateDataKey(context: context)
    }

    public func unwrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> SecretBytes {
        count(use)
        return try unwrap(wrapped, context: context)
    }

    public func rewrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> WrappedKey {
        count(use)
        return try rewrap(wrapped, context: context)
    }

    public func describe(use: KeyUse) throws(KeyError) -> KeyDescription? {
        count(use)
        return try describe()
    }

    private func count(_ use: KeyUse) {
        state.withLock { $0.uses[use.action, default: 0] += 1 }
    }
}

extension InMemoryKMS {
    public var location: String { "memory" }

    public func generateDataKey(context: KeyContext) throws(KeyError) -> GeneratedDataKey {
        let masterKey = try enabled { (state) throws(KeyError) -> MasterKey in
            if let existing = state.masterKey { return existing }
            let made = try withCrypto("make a CMK") { () throws(CryptoError) in
                let key = try SecretBytes.random(count: AESGCMKey.keyLength, from: entropy)
                return MasterKey(
                    keyID: try UUID.random(from: entropy), key: try AESGCMKey(key))
            }
            state.masterKey = made
            state.created = clock.now()
            return made
        }
        return try masterKey.generate(context, entropy: entropy)
    }

    public func unwrap(
        _ wrapped: WrappedKey, context: KeyContext
    ) throws(KeyError) -> SecretBytes {
        let masterKey = try enabled { (state) throws(KeyError) -> MasterKey in
            guard let masterKey = state.masterKey, masterKey.keyID == wrapped.keyID else {
                throw KeyError(.unknownKey, "this KMS holds no CMK \(wrapped.keyID.prefix(36))")
            }
            return masterKey
        }
        return try masterKey.unwrap(wrapped, context)
    }

    public func rewrap(
        _ wrapped: WrappedKey, context: KeyContext
    ) throws(KeyError) -> WrappedKey {
        _ = try unwrap(wrapped, context: context)
        let masterKey = try activated { (state) throws(KeyError) in state.masterKey }
        return try masterKey?.rewrap(wrapped, context, entropy: entropy) ?? wrapped
    }

    @discardableResult
    public func rotate() throws(KeyError) -> UInt32 {
        try activated { (state) throws(KeyError) -> UInt32 in
            guard let masterKey = state.masterKey else {
                throw KeyError(.unknownKey, "this KMS has no CMK yet: there is nothing to rotate")
            }
            let rotated = try withCrypto("rotate a CMK") { () throws(CryptoError) in
                let key = try SecretBytes.random(count: AESGCMKey.keyLength, from: entropy)
                return masterKey.rotated(to: try AESGCMKey(key))
            }
            state.masterKey = rotated
            return rotated.version
        }
    }

    public func describe() throws(KeyError) -> KeyDescription? {
        try activated { (state) throws(KeyError) -> KeyDescription? in
            guard let masterKey = state.masterKey else { return nil }
            return KeyDescription(
                keyID: masterKey.keyID, alias: MasterKey.alias, account: account, region: region,
                created: state.created, state: state.keyState, version: masterKey.version)
        }
    }

    private func enabled<R: Sendable>(
        _ body: (inout State) throws(KeyError) -> R
    ) throws(KeyError) -> R {
        try activated { (state) throws(KeyError) -> R in
            guard state.keyState == .enabled else {
                throw KeyError(.disabled, "the CMK of this KMS is disabled")
            }
            return try body(&state)
        }
    }

    private func activated<R: Sendable>(
        _ body: (inout State) throws(KeyError) -> R
    ) throws(KeyError) -> R {
        try state.withLock { (state) throws(KeyError) -> R in
            guard state.isActivated else {
                throw KeyError(
                    .notActivated, "the KMS is not activated; activate it (`OpenKmsService`)")
            }
            return try body(&state)
        }
    }
}
