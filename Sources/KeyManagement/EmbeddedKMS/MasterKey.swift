import CryptoPrimitives

/// A customer master key: seals data keys, and is itself never given out.
///
/// A wrapped key is 61 bytes: version (1) ‖ nonce (12) ‖ sealed data key (32) ‖ tag (16). The
/// associated data names the CMK and the whole context.
package struct MasterKey: Sendable {
    package static let alias = "alias/acs/ecs"
    package static let dataKeyLength = 32
    private static let version: UInt8 = 1
    private static let wrappedLength = 1 + SealedKey.length(ofKey: dataKeyLength)

    let keyID: String
    private let key: AESGCMKey

    init(keyID: String, key: AESGCMKey) {
        self.keyID = keyID
        self.key = key
    }

    func generate(_ context: KeyContext, entropy: any Entropy) throws(KeyError) -> GeneratedDataKey
    {
        try withCrypto("make a data key under CMK \(keyID)") { () throws(CryptoError) in
            let dataKey = try SecretBytes.random(count: Self.dataKeyLength, from: entropy)
            let sealed = try SealedKey.seal(
                dataKey, under: key, boundTo: associatedData(context), entropy: entropy)
            return GeneratedDataKey(
                key: dataKey, wrapped: WrappedKey(keyID: keyID, bytes: [Self.version] + sealed))
        }
    }

    /// Throws `.refused` if the bytes were not wrapped under this CMK for this context.
    func unwrap(_ wrapped: WrappedKey, _ context: KeyContext) throws(KeyError) -> SecretBytes {
        guard wrapped.keyID == keyID, wrapped.bytes.count == Self.wrappedLength,
            wrapped.bytes[0] == Self.version
        else {
            throw refusal(context, "it is not a wrapped key of version \(Self.version)")
        }
        do throws(CryptoError) {
            return try SealedKey.open(
                Array(wrapped.bytes.dropFirst()), under: key, boundTo: associatedData(context))
        } catch {
            guard error.code == .authenticationFailed else {
                throw KeyError.crypto(error, "unwrap the data key of lineage \(context.lineage)")
            }
            throw refusal(
                context, "it was altered, or wrapped for another store, lineage, epoch or format")
        }
    }

    private func refusal(_ context: KeyContext, _ cause: String) -> KeyError {
        KeyError(
            .refused,
            "CMK \(keyID) refuses the data key of lineage \(context.lineage), epoch"
                + " \(context.epoch), in store \(context.store): \(cause)")
    }

    private func associatedData(_ context: KeyContext) -> [UInt8] {
        AssociatedData.ofDataKey(under: keyID, context)
    }
}
