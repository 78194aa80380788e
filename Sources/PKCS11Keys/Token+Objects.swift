import CPKCS11
import CryptoPrimitives
import KeyManagement

extension Token {
    /// As many objects are looked at; more of one label are not ours.
    private static let mostObjects = 64

    /// The objects that match.
    func objects(_ template: Template) throws(TokenError) -> [CK_OBJECT_HANDLE] {
        try call("C_FindObjectsInit") { functions, session in
            template.withAttributes { functions.C_FindObjectsInit?(session, $0, $1) }
        }
        var found = [CK_OBJECT_HANDLE](repeating: 0, count: Self.mostObjects)
        var count: CK_ULONG = 0
        do throws(TokenError) {
            try call("C_FindObjects") { functions, session in
                functions.C_FindObjects?(session, &found, CK_ULONG(Self.mostObjects), &count)
            }
        } catch {
            try? call("C_FindObjectsFinal") { $0.C_FindObjectsFinal?($1) }
            throw error
        }
        try call("C_FindObjectsFinal") { $0.C_FindObjectsFinal?($1) }
        return Array(found.prefix(Int(count)))
    }

    /// An attribute of at most `limit` bytes; nil if the object has none, or a longer one.
    func attribute(
        _ type: CK_ATTRIBUTE_TYPE, of object: CK_OBJECT_HANDLE, limit: Int = 64
    ) throws(TokenError) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: limit)
        var length = CK_ULONG.max
        do throws(TokenError) {
            try call("C_GetAttributeValue") { functions, session in
                bytes.withUnsafeMutableBytes { buffer in
                    var attribute = CK_ATTRIBUTE(
                        type: type, pValue: buffer.baseAddress, ulValueLen: CK_ULONG(limit))
                    let code = functions.C_GetAttributeValue?(session, object, &attribute, 1)
                    length = attribute.ulValueLen
                    return code
                }
            }
        } catch {
            let absent: Set = [
                CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_SENSITIVE, CKR_BUFFER_TOO_SMALL,
            ]
            if case .returned(_, let code) = error, absent.contains(code) { return nil }
            throw error
        }
        return length <= CK_ULONG(limit) ? Array(bytes.prefix(Int(length))) : nil
    }

    /// Whether a flag is set.
    func flag(
        _ type: CK_ATTRIBUTE_TYPE, of object: CK_OBJECT_HANDLE
    ) throws(TokenError) -> Bool {
        try attribute(type, of: object) == [1]
    }
}

/// The mark that the service was activated for an account: a public object, seen without a PIN.
extension Token {
    func isActivated(_ label: String) throws(TokenError) -> Bool {
        if isKnownActivated { return true }
        isKnownActivated = try !objects(Self.mark(label)).isEmpty
        return isKnownActivated
    }

    func activate(_ label: String) throws(TokenError) {
        try call("C_CreateObject") { functions, session in
            var object: CK_OBJECT_HANDLE = 0
            return Self.mark(label).withAttributes {
                functions.C_CreateObject?(session, $0, $1, &object)
            }
        }
        isKnownActivated = true
    }

    private static func mark(_ label: String) -> Template {
        var template = Template()
        template.set(CKA_CLASS, CKO_DATA)
        template.set(CKA_TOKEN, true)
        template.set(CKA_PRIVATE, false)
        template.set(CKA_LABEL, label)
        template.set(CKA_APPLICATION, "sealdisk")
        return template
    }
}
