import CPKCS11
import Glibc
import KeyManagement
import Synchronization

/// A loaded PKCS #11 module. It stays loaded, and initialised, for as long as the process lives:
/// others in it may use the same one, and modules have threads of their own.
struct Module {
    let functions: CK_FUNCTION_LIST

    /// Held while a module is loaded and while its slots are listed: not every module does that for
    /// several threads at once, whatever it promises (SoftHSM 2.6 does not).
    /// With the modules for whose end the exit gate is shut.
    private static let isSettingUp = Mutex<Set<String>>([])

    static func loaded(path: String) throws(TokenError) -> Module {
        try isSettingUp.withLock { (guarded) throws(TokenError) in
            // Even if it turns out to be of no use, it is there until the end.
            defer { if guarded.insert(path).inserted { ExitGate.guardEnd() } }
            return try Module(path: path)
        }
    }

    private init(path: String) throws(TokenError) {
        guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            let cause = dlerror().map { String(cString: $0) } ?? "unknown"
            throw .found(
                KeyError(.unavailable, "the PKCS #11 module cannot be loaded: \(cause)"))
        }
        guard let symbol = dlsym(library, "C_GetFunctionList") else {
            throw .found(KeyError(.io, "\(path) is not a PKCS #11 module"))
        }
        // PKCS #11 gives the function of this name this type.
        let getList = unsafeBitCast(symbol, to: CK_C_GetFunctionList.self)
        var list: UnsafeMutablePointer<CK_FUNCTION_LIST>?
        guard getList(&list) == CKR_OK, let list else {
            throw .found(KeyError(.io, "the PKCS #11 module \(path) gives no functions"))
        }
        functions = list.pointee
        var arguments = CK_C_INITIALIZE_ARGS()
        arguments.flags = CKF_OS_LOCKING_OK
        let code = functions.C_Initialize?(&arguments) ?? CKR_FUNCTION_NOT_SUPPORTED
        guard code == CKR_OK || code == CKR_CRYPTOKI_ALREADY_INITIALIZED else {
            throw .returned(call: "C_Initialize", code)
        }
    }

    /// A module may leave a function out.
    static func check(_ call: String, _ code: CK_RV?) throws(TokenError) {
        let code = code ?? CKR_FUNCTION_NOT_SUPPORTED
        guard code == CKR_OK else { throw .returned(call: call, code) }
    }

    /// The slot of the one token that the URI means.
    func slot(of uri: PKCS11URI) throws(TokenError) -> CK_SLOT_ID {
        try Self.isSettingUp.withLock { (_) throws(TokenError) in try find(uri) }
    }

    private func find(_ uri: PKCS11URI) throws(TokenError) -> CK_SLOT_ID {
        var count: CK_ULONG = 0
        try Self.check("C_GetSlotList", functions.C_GetSlotList?(1, nil, &count))
        var slots = [CK_SLOT_ID](repeating: 0, count: Int(min(count, 4096)) + 8)
        count = CK_ULONG(slots.count)
        try Self.check("C_GetSlotList", functions.C_GetSlotList?(1, &slots, &count))
        var found: [CK_SLOT_ID] = []
        var names: [String] = []
        for slot in slots.prefix(Int(count)) {
            var info = CK_TOKEN_INFO()
            guard functions.C_GetTokenInfo?(slot, &info) == CKR_OK else { continue }
            let name = Self.text(info.label)
            if !name.isEmpty { names.append(name) }
            func matches(_ wanted: String?, _ padded: some Any) -> Bool {
                wanted.map { $0 == Self.text(padded) } ?? true
            }
            if matches(uri.token, info.label), matches(uri.serial, info.serialNumber),
                matches(uri.manufacturer, info.manufacturerID), matches(uri.model, info.model)
            {
                found.append(slot)
            }
        }
        guard let slot = found.first else {
            let others = names.isEmpty ? "no token at all" : names.joined(separator: ", ")
            throw .found(
                KeyError(
                    .unavailable,
                    "token \(uri.tokenName) is not there: module \(uri.modulePath) shows \(others)")
            )
        }
        guard found.count == 1 else {
            throw .found(
                KeyError(
                    .unavailable,
                    "\(found.count) tokens are called \(uri.tokenName); add serial= to the URI"))
        }
        return slot
    }

    /// The text of a fixed array of characters, padded with blanks at its end.
    private static func text(_ padded: some Any) -> String {
        withUnsafeBytes(of: padded) { bytes in
            let end = bytes.lastIndex { $0 != UInt8(ascii: " ") && $0 != 0 } ?? -1
            return String(decoding: bytes[..<(end + 1)], as: UTF8.self)
        }
    }
}
