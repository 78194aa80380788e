import CPKCS11
import CryptoPrimitives
import KeyManagement

/// A CMK in the token: AES-256, made there, and never to leave it.
///
/// Its CKA_ID is 32 bytes: who it is for (of SHA-256 over account and region) and its own id, a
/// UUID of version 7, which tells when it was made. Two processes may make one at once: both use
/// the older one from then on, and what the other has wrapped still unwraps.
struct TokenKey: Sendable {
    let handle: CK_OBJECT_HANDLE
    let keyID: String
}

/// Whose CMK, and what it is called in the token.
struct TokenKeyName: Sendable {
    let label: String
    /// 16 bytes.
    let owner: [UInt8]

    init(label: String, account: String, region: String) throws(KeyError) {
        self.label = label
        var name = AssociatedData(label: "sealdisk CMK of a token 1")
        name.append(account)
        name.append(region)
        owner = try withCrypto("name a CMK") { () throws(CryptoError) in
            Array(try SHA256.hash(name.bytes).prefix(16))
        }
    }
}

extension Token {
    /// The oldest CMK of that name; nil if there is none. Throws `.found` if it was not made in the
    /// token, or could leave it: then it is none.
    func masterKey(_ name: TokenKeyName) throws(TokenError) -> TokenKey? {
        var template = Self.template(name)
        template.set(CKA_KEY_TYPE, CKK_AES)
        var oldest: TokenKey?
        for handle in try objects(template) {
            guard let id = try attribute(CKA_ID, of: handle), id.count == 32,
                Array(id.prefix(16)) == name.owner
            else { continue }
            let keyID = UUID.text(Array(id.suffix(16)))
            if oldest.map({ $0.keyID > keyID }) ?? true {
                oldest = TokenKey(handle: handle, keyID: keyID)
            }
        }
        if let oldest { try requireMadeInside(oldest) }
        return oldest
    }

    /// The CMK with that id, made for that account and region, whatever its label is; nil if there
    /// is none.
    func masterKey(_ keyID: String, _ name: TokenKeyName) throws(TokenError) -> TokenKey? {
        guard let bytes = UUID.bytes(keyID) else { return nil }
        var template = Template()
        template.set(CKA_CLASS, CKO_SECRET_KEY)
        template.set(CKA_ID, name.owner + bytes)
        return try objects(template).first.map { TokenKey(handle: $0, keyID: keyID) }
    }

    /// Has the token make a CMK.
    func makeMasterKey(_ name: TokenKeyName, keyID: String) throws(TokenError) {
        guard let bytes = UUID.bytes(keyID) else {
            throw .found(KeyError(.io, "\(keyID) is no id of a CMK"))
        }
        var template = Self.template(name)
        template.set(CKA_KEY_TYPE, CKK_AES)
        template.set(CKA_VALUE_LEN, 32)
        template.set(CKA_ID, name.owner + bytes)
        template.set(CKA_PRIVATE, true)
        template.set(CKA_SENSITIVE, true)
        template.set(CKA_EXTRACTABLE, false)
        template.set(CKA_ENCRYPT, true)
        template.set(CKA_DECRYPT, true)
        for use in [CKA_WRAP, CKA_UNWRAP, CKA_SIGN, CKA_VERIFY, CKA_DERIVE] {
            template.set(use, false)
        }
        try call("C_GenerateKey") { functions, session in
            var mechanism = CK_MECHANISM()
            mechanism.mechanism = CKM_AES_KEY_GEN
            var object: CK_OBJECT_HANDLE = 0
            return template.withAttributes {
                functions.C_GenerateKey?(session, &mechanism, $0, $1, &object)
            }
        }
    }

    /// A key that came from outside, or may leave, is known to somebody else.
    private func requireMadeInside(_ key: TokenKey) throws(TokenError) {
        for flag in [CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE] {
            guard try self.flag(flag, of: key.handle) else {
                throw .found(
                    KeyError(
                        .refused,
                        "CMK \(key.keyID) was not made in token \(uri.tokenName), or can be taken"
                            + " out of it: it protects nothing, and is not used"))
            }
        }
    }

    private static func template(_ name: TokenKeyName) -> Template {
        var template = Template()
        template.set(CKA_CLASS, CKO_SECRET_KEY)
        template.set(CKA_TOKEN, true)
        template.set(CKA_LABEL, name.label)
        return template
    }
}
