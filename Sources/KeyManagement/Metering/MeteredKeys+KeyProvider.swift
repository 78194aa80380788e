import CryptoPrimitives

extension MeteredKeys {
    public func generateDataKey(
        context: KeyContext, use: KeyUse
    ) throws(KeyError) -> GeneratedDataKey {
        try metered(.generateDataKey, use, context) { (keyID) throws(KeyError) in
            let made = try backend.generateDataKey(context: context)
            keyID = made.wrapped.keyID
            return made
        }
    }

    public func unwrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> SecretBytes {
        try metered(.decrypt, use, context) { (keyID) throws(KeyError) in
            keyID = Self.claimed(wrapped)
            let key = try backend.unwrap(wrapped, context: context)
            keyID = wrapped.keyID
            return key
        }
    }

    public func rewrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> WrappedKey {
        try metered(.reEncrypt, use, context) { (keyID) throws(KeyError) in
            keyID = Self.claimed(wrapped)
            let made = try backend.rewrap(wrapped, context: context)
            keyID = made.keyID
            return made
        }
    }

    public func describe(use: KeyUse) throws(KeyError) -> KeyDescription? {
        try metered(.describeKey, use, nil) { (keyID) throws(KeyError) in
            let key = try backend.describe()
            keyID = key?.keyID
            return key
        }
    }

    /// A new version of the CMK's material. Throws as the backend.
    public func rotate(use: KeyUse) throws(KeyError) -> UInt32 {
        try metered(.rotateKey, use, nil) { (_) throws(KeyError) in try backend.rotate() }
    }

    public func note(_ use: KeyUse) throws(KeyError) {
        try metered(.note, use, nil) { _ in }
    }

    public var isActivated: Bool {
        get throws(KeyError) { try backend.isActivated }
    }

    /// The id comes from untrusted storage: until a key came of it, a log line holds no more of it
    /// than a UUID.
    private static func claimed(_ wrapped: WrappedKey) -> String {
        String(wrapped.keyID.prefix(36))
    }
}
