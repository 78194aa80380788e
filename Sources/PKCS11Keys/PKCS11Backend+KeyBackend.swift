import CPKCS11
import CryptoPrimitives
import KeyManagement

extension PKCS11Backend {
    /// The first byte of a wrapped key, which the embedded service's layout shares.
    private static let version: UInt8 = 1
    private static let wrappedLength =
        1 + Nonce.length + MasterKey.dataKeyLength + AESGCMKey.tagLength

    public var isActivated: Bool {
        get throws(KeyError) {
            let label = markLabel
            return try onToken(publicly: true) { (token) throws(TokenError) in
                try token.isActivated(label)
            }
        }
    }

    public func activate() throws(KeyError) -> Bool {
        let label = markLabel
        return try onToken { (token) throws(TokenError) in
            try token.requireMechanisms()
            if try token.isActivated(label) { return false }
            try token.activate(label)
            return true
        }
    }

    public func generateDataKey(context: KeyContext) throws(KeyError) -> GeneratedDataKey {
        let dataKey = try withCrypto("make a data key") { () throws(CryptoError) in
            try SecretBytes.random(count: MasterKey.dataKeyLength, from: entropy)
        }
        // The token's thread has a copy of its own: it may hang on to it for longer than we wait.
        let shared = try withCrypto("make a data key") { () throws(CryptoError) in
            SharedSecret(
                try dataKey.withUnsafeBytes { (bytes) throws(CryptoError) in
                    try SecretBytes(copying: bytes)
                })
        }
        let wrapped = try wrap(shared, context)
        return GeneratedDataKey(key: dataKey, wrapped: wrapped)
    }

    public func unwrap(
        _ wrapped: WrappedKey, context: KeyContext
    ) throws(KeyError) -> SecretBytes {
        let (name, label, slot) = (name, markLabel, SecretSlot())
        let data = AssociatedData.ofDataKey(under: wrapped.keyID, context)
        let isWhole = wrapped.bytes.count == Self.wrappedLength && wrapped.bytes[0] == Self.version
        let sealed = Array(wrapped.bytes.dropFirst())
        let found = try onToken { (token) throws(TokenError) -> Opening in
            try Self.requireActivated(token, label)
            guard let key = try token.masterKey(wrapped.keyID, name) else { return .unknownKey }
            guard isWhole else { return .refused("not \(Self.wrappedLength) bytes of version 1") }
            let problem = try token.open(sealed, under: key, boundTo: data, into: slot)
            return problem.map { .refused($0) } ?? .opened
        }
        switch found {
        case .opened:
            if let key = slot.take() { return key }
            throw KeyError(.io, "token \(uri.tokenName) unwrapped a key that is gone")
        case .unknownKey:
            throw KeyError(
                .unknownKey,
                "token \(uri.tokenName) holds no CMK \(wrapped.keyID.prefix(36)) for account"
                    + " \(account) in region \(region); name the token, account and region the"
                    + " disk was made with")
        case .refused(let problem):
            throw KeyError(
                .refused,
                "CMK \(wrapped.keyID) refuses the data key of lineage \(context.lineage), epoch"
                    + " \(context.epoch), in store \(context.store): it was altered, or wrapped for"
                    + " another store, lineage, epoch or format (\(problem))")
        }
    }

    public func rewrap(
        _ wrapped: WrappedKey, context: KeyContext
    ) throws(KeyError) -> WrappedKey {
        let key = SharedSecret(try unwrap(wrapped, context: context))
        guard try describe()?.keyID != wrapped.keyID else { return wrapped }
        return try wrap(key, context)
    }

    /// PKCS #11 knows no versions of a key.
    public func rotate() throws(KeyError) -> UInt32 {
        throw KeyError(
            .refused,
            "the CMK in token \(uri.tokenName) is not rotated: a token's key has one version. For a"
                + " new one, make a store under another object= of the URI, and copy the files")
    }

    public func describe() throws(KeyError) -> KeyDescription? {
        let (name, label) = (name, markLabel)
        let found = try onToken { (token) throws(TokenError) -> (String, Bool)? in
            try Self.requireActivated(token, label)
            guard let key = try token.masterKey(name) else { return nil }
            let seals = try token.flag(CKA_ENCRYPT, of: key.handle)
            let opens = try token.flag(CKA_DECRYPT, of: key.handle)
            return (key.keyID, seals && opens)
        }
        guard let (keyID, isEnabled) = found else { return nil }
        return KeyDescription(
            keyID: keyID, alias: MasterKey.alias, account: account, region: region,
            created: UUID.time(of: keyID) ?? Timestamp(seconds: 0),
            state: isEnabled ? .enabled : .disabled, origin: "HSM")
    }

    /// Under the current CMK, which is made now if there is none.
    private func wrap(_ key: SharedSecret, _ context: KeyContext) throws(KeyError) -> WrappedKey {
        let (name, label, newID) = (name, markLabel, try newKeyID())
        let nonce = try withCrypto("wrap a data key") { () throws(CryptoError) in
            try entropy.bytes(Nonce.length)
        }
        return try onToken { (token) throws(TokenError) in
            try Self.requireActivated(token, label)
            var masterKey = try token.masterKey(name)
            if masterKey == nil {
                try token.makeMasterKey(name, keyID: newID)
                // Not simply the one just made: another process may have been first.
                masterKey = try token.masterKey(name)
            }
            guard let masterKey else {
                throw .found(KeyError(.io, "the token lost the CMK that it just made"))
            }
            let sealed = try token.seal(
                key, under: masterKey, nonce: nonce,
                boundTo: AssociatedData.ofDataKey(under: masterKey.keyID, context))
            return WrappedKey(keyID: masterKey.keyID, bytes: [Self.version] + sealed)
        }
    }

    private static func requireActivated(_ token: Token, _ label: String) throws(TokenError) {
        guard try token.isActivated(label) else {
            throw .found(
                KeyError(
                    .notActivated,
                    "the KMS is not activated in token \(token.uri.tokenName) (it has no object"
                        + " \"\(label)\"); activate it (`OpenKmsService`)"))
        }
    }
}

/// How unwrapping went.
private enum Opening: Sendable {
    case opened, unknownKey
    case refused(String)
}
