import CryptoPrimitives

/// A customer master key: seals data keys, and is itself never given out.
///
/// A wrapped key is 61 bytes: 1 (1) ‖ nonce (12) ‖ sealed data key (32) ‖ tag (16); under a later
/// version of the CMK's material 65: 2 (1) ‖ version (4, little-endian) ‖ nonce ‖ sealed ‖ tag. The
/// associated data names the CMK and the whole context, of the latter the version, too.
package struct MasterKey: Sendable {
    package static let alias = "alias/acs/ecs"
    package static let dataKeyLength = 32
    /// The first byte of a wrapped key.
    private static let firstFormat: UInt8 = 1
    private static let versionedFormat: UInt8 = 2
    private static let sealedLength = SealedKey.length(ofKey: dataKeyLength)

    let keyID: String
    /// The newest of its material.
    let version: UInt32
    private let material: [UInt32: AESGCMKey]

    init(keyID: String, key: AESGCMKey) {
        self.init(keyID: keyID, version: 1, material: [1: key])
    }

    /// `material` has `version`.
    init(keyID: String, version: UInt32, material: [UInt32: AESGCMKey]) {
        self.keyID = keyID
        self.version = version
        self.material = material
    }

    /// The same CMK with newer material.
    func rotated(to key: AESGCMKey) -> MasterKey {
        var material = material
        material[version + 1] = key
        return MasterKey(keyID: keyID, version: version + 1, material: material)
    }

    /// Which version of a CMK's material wrapped a key, as it claims; nil if it is no wrapped key.
    static func version(of wrapped: WrappedKey) -> UInt32? {
        let bytes = wrapped.bytes
        switch bytes.first {
        case firstFormat where bytes.count == 1 + sealedLength: return 1
        case versionedFormat where bytes.count == 5 + sealedLength:
            return bytes[1..<5].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        default: return nil
        }
    }

    func generate(_ context: KeyContext, entropy: any Entropy) throws(KeyError) -> GeneratedDataKey
    {
        let dataKey = try withCrypto("make a data key under CMK \(keyID)") {
            () throws(CryptoError) in
            try SecretBytes.random(count: Self.dataKeyLength, from: entropy)
        }
        let wrapped = try wrap(dataKey, context, entropy: entropy)
        return GeneratedDataKey(key: dataKey, wrapped: wrapped)
    }

    /// Throws `.refused` if the bytes were not wrapped under this CMK for this context.
    func unwrap(_ wrapped: WrappedKey, _ context: KeyContext) throws(KeyError) -> SecretBytes {
        guard wrapped.keyID == keyID, let version = Self.version(of: wrapped) else {
            throw refusal(context, "it is not a wrapped key of this CMK")
        }
        guard let key = material[version] else {
            throw refusal(context, "the CMK has no version \(version)")
        }
        do throws(CryptoError) {
            return try SealedKey.open(
                Array(wrapped.bytes.suffix(Self.sealedLength)), under: key,
                boundTo: associatedData(context, version))
        } catch {
            guard error.code == .authenticationFailed else {
                throw KeyError.crypto(error, "unwrap the data key of lineage \(context.lineage)")
            }
            throw refusal(
                context, "it was altered, or wrapped for another store, lineage, epoch or format")
        }
    }

    /// The same data key under the newest material; `wrapped` itself if it is already.
    func rewrap(
        _ wrapped: WrappedKey, _ context: KeyContext, entropy: any Entropy
    ) throws(KeyError) -> WrappedKey {
        let dataKey = try unwrap(wrapped, context)
        guard Self.version(of: wrapped) != version else { return wrapped }
        return try wrap(dataKey, context, entropy: entropy)
    }

    private func wrap(
        _ dataKey: borrowing SecretBytes, _ context: KeyContext, entropy: any Entropy
    ) throws(KeyError) -> WrappedKey {
        guard let key = material[version] else {
            throw KeyError(.io, "CMK \(keyID) lacks its version \(version)")
        }
        let data = associatedData(context, version)
        do throws(CryptoError) {
            let sealed = try SealedKey.seal(dataKey, under: key, boundTo: data, entropy: entropy)
            return WrappedKey(keyID: keyID, bytes: head + sealed)
        } catch {
            throw KeyError.crypto(error, "wrap a data key under CMK \(keyID)")
        }
    }

    private var head: [UInt8] {
        if version == 1 { return [Self.firstFormat] }
        return [Self.versionedFormat] + withUnsafeBytes(of: version.littleEndian) { [UInt8]($0) }
    }

    private func refusal(_ context: KeyContext, _ cause: String) -> KeyError {
        KeyError(
            .refused,
            "CMK \(keyID) refuses the data key of lineage \(context.lineage), epoch"
                + " \(context.epoch), in store \(context.store): \(cause)")
    }

    private func associatedData(_ context: KeyContext, _ version: UInt32) -> [UInt8] {
        let data = AssociatedData.ofDataKey(under: keyID, context)
        if version == 1 { return data }
        return data + withUnsafeBytes(of: version.littleEndian) { [UInt8]($0) }
    }
}
