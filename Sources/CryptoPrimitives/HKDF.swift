import COpenSSL

/// HKDF with SHA-256 (RFC 5869): one key per purpose out of one secret.
public enum HKDF {
    /// The longest output, in bytes: 255 blocks of the hash.
    public static let maximumCount = 255 * 32

    /// Extract and expand. `info` names the purpose; give it fields of fixed width, so that no two
    /// purposes can have the same bytes. Throws `.invalidLength`, `.lockedMemory`, `.library`.
    public static func deriveSecret(
        key: borrowing SecretBytes, salt: [UInt8], info: [UInt8], count: Int
    ) throws(CryptoError) -> SecretBytes {
        try run(.extractAndExpand, key: key, salt: salt, info: info, count: count)
    }

    /// The first step alone: a 32-byte pseudorandom key.
    public static func extract(
        key: borrowing SecretBytes, salt: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        try run(.extract, key: key, salt: salt, info: [], count: 32)
    }

    /// The second step alone, from what `extract` gave.
    public static func expand(
        pseudorandomKey: borrowing SecretBytes, info: [UInt8], count: Int
    ) throws(CryptoError) -> SecretBytes {
        try run(.expand, key: pseudorandomKey, salt: [], info: info, count: count)
    }

    /// OpenSSL's numbers for the steps (EVP_KDF_HKDF_MODE_… in kdf.h).
    private enum Mode: Int32 { case extractAndExpand, extract, expand }

    private static func run(
        _ mode: Mode, key: borrowing SecretBytes, salt: [UInt8], info: [UInt8], count: Int
    ) throws(CryptoError) -> SecretBytes {
        guard count > 0, count <= maximumCount else {
            throw CryptoError(
                .invalidLength, "HKDF-SHA-256 gives 1 to \(maximumCount) bytes, not \(count)")
        }
        guard let context = EVP_KDF_CTX_new(try OpenSSL.hkdf.get("HKDF")) else {
            throw OpenSSL.failure("EVP_KDF_CTX_new")
        }
        defer { EVP_KDF_CTX_free(context) }
        return try key.withUnsafeBytes { (keyBytes) throws(CryptoError) -> SecretBytes in
            try SecretBytes(count: count) { (output) throws(CryptoError) in
                let done = derive(context, mode, keyBytes, salt, info, into: output)
                guard done == 1 else { throw OpenSSL.failure("EVP_KDF_derive (HKDF)") }
            }
        }
    }

    private static func derive(
        _ context: OpaquePointer, _ mode: Mode, _ key: UnsafeRawBufferPointer, _ salt: [UInt8],
        _ info: [UInt8], into output: UnsafeMutableRawBufferPointer
    ) -> Int32 {
        // The library reads through these pointers and does not write; its fields lack the const.
        func octets(_ name: StaticString, _ bytes: UnsafeRawBufferPointer) -> OSSL_PARAM {
            let pointer = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
            return OSSL_PARAM_construct_octet_string(name.cString, pointer, bytes.count)
        }
        var step = mode.rawValue
        return withUnsafeMutablePointer(to: &step) { step in
            salt.withRawBytes { salt in
                info.withRawBytes { info in
                    let digest: StaticString = "SHA2-256"
                    let parameters = [
                        OSSL_PARAM_construct_utf8_string(
                            ("digest" as StaticString).cString,
                            UnsafeMutablePointer(mutating: digest.cString), 0),
                        OSSL_PARAM_construct_int(("mode" as StaticString).cString, step),
                        octets("key", key), octets("salt", salt), octets("info", info),
                        OSSL_PARAM_construct_end(),
                    ]
                    return EVP_KDF_derive(
                        context, output.baseAddress?.assumingMemoryBound(to: UInt8.self),
                        output.count, parameters)
                }
            }
        }
    }
}

extension StaticString {
    /// The literal as C text: it lies in the program's read-only data, ends in a zero byte and
    /// lives as long as the process.
    var cString: UnsafePointer<CChar> {
        UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
