import CPKCS11
import KeyManagement

/// Why something on a token failed: what a module returned, or what we found ourselves.
enum TokenError: Error, Sendable {
    case returned(call: String, CK_RV)
    case found(KeyError)

    /// The session is no more, while the token may well be there: log in again.
    var isSessionLost: Bool { isOne(of: Self.sessionCodes) }
    /// What is known of the token holds no longer.
    var isTokenGone: Bool { isOne(of: Self.goneCodes) }

    private static let sessionCodes: Set<CK_RV> = [
        CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN,
        CKR_CRYPTOKI_NOT_INITIALIZED, CKR_OPERATION_ACTIVE,
    ]
    private static let goneCodes: Set<CK_RV> = [
        CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED, CKR_DEVICE_REMOVED, CKR_DEVICE_ERROR,
        CKR_DEVICE_MEMORY, CKR_SLOT_ID_INVALID,
    ]

    private func isOne(of codes: Set<CK_RV>) -> Bool {
        if case .returned(_, let code) = self { codes.contains(code) } else { false }
    }

    /// In the words of key providers; `token` names it.
    func keyError(_ token: String) -> KeyError {
        switch self {
        case .found(let error): return error
        case .returned(let call, let code):
            let what = "\(call) of token \(token) failed with \(Self.name(of: code))"
            switch code {
            case CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE:
                return KeyError(
                    .locked,
                    "token \(token) refuses the PIN; it is not tried again, since tokens lock"
                        + " after a few wrong ones. Correct what pin-source names")
            case CKR_PIN_LOCKED:
                return KeyError(
                    .locked,
                    "the PIN of token \(token) is locked after too many wrong ones; its security"
                        + " officer can set a new one")
            case CKR_PIN_EXPIRED, CKR_USER_PIN_NOT_INITIALIZED:
                return KeyError(
                    .locked,
                    "token \(token) has no PIN that counts (\(Self.name(of: code))): set one with"
                        + " its own tools")
            case CKR_KEY_FUNCTION_NOT_PERMITTED:
                return KeyError(.disabled, "token \(token) does not let its CMK be used for this")
            case CKR_MECHANISM_INVALID, CKR_TOKEN_WRITE_PROTECTED, CKR_TEMPLATE_INCONSISTENT,
                CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_TYPE_INVALID, CKR_FUNCTION_NOT_SUPPORTED:
                return KeyError(
                    .io, "\(what): the token cannot hold a CMK (AES-256 with CKM_AES_GCM)")
            default:
                return KeyError(.unavailable, what + ": is it there, and does it work?")
            }
        }
    }

    /// PKCS #11's name, or the number.
    static func name(of code: CK_RV) -> String {
        names[code] ?? "0x" + String(code, radix: 16)
    }

    private static let names: [CK_RV: String] = [
        CKR_HOST_MEMORY: "CKR_HOST_MEMORY", CKR_SLOT_ID_INVALID: "CKR_SLOT_ID_INVALID",
        CKR_GENERAL_ERROR: "CKR_GENERAL_ERROR", CKR_FUNCTION_FAILED: "CKR_FUNCTION_FAILED",
        CKR_ARGUMENTS_BAD: "CKR_ARGUMENTS_BAD", CKR_DEVICE_ERROR: "CKR_DEVICE_ERROR",
        CKR_DEVICE_MEMORY: "CKR_DEVICE_MEMORY", CKR_DEVICE_REMOVED: "CKR_DEVICE_REMOVED",
        CKR_FUNCTION_NOT_SUPPORTED: "CKR_FUNCTION_NOT_SUPPORTED",
        CKR_MECHANISM_INVALID: "CKR_MECHANISM_INVALID", CKR_PIN_EXPIRED: "CKR_PIN_EXPIRED",
        CKR_SESSION_CLOSED: "CKR_SESSION_CLOSED", CKR_SESSION_COUNT: "CKR_SESSION_COUNT",
        CKR_SESSION_HANDLE_INVALID: "CKR_SESSION_HANDLE_INVALID",
        CKR_TEMPLATE_INCONSISTENT: "CKR_TEMPLATE_INCONSISTENT",
        CKR_TOKEN_NOT_PRESENT: "CKR_TOKEN_NOT_PRESENT",
        CKR_TOKEN_NOT_RECOGNIZED: "CKR_TOKEN_NOT_RECOGNIZED",
        CKR_TOKEN_WRITE_PROTECTED: "CKR_TOKEN_WRITE_PROTECTED",
        CKR_USER_NOT_LOGGED_IN: "CKR_USER_NOT_LOGGED_IN",
        CKR_USER_PIN_NOT_INITIALIZED: "CKR_USER_PIN_NOT_INITIALIZED",
        CKR_CRYPTOKI_NOT_INITIALIZED: "CKR_CRYPTOKI_NOT_INITIALIZED",
    ]
}
