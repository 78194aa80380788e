import CPKCS11
import KeyManagement

/// A session with one token.
///
/// `@unchecked Sendable`: it is touched on its backend's one `CallThread` alone.
final class Token: @unchecked Sendable {
    let uri: PKCS11URI
    private var module: Module?
    private var slot: CK_SLOT_ID = 0
    private var session: CK_SESSION_HANDLE?
    private var isLoggedIn = false
    /// Tokens lock after a few wrong PINs, so none is offered twice.
    private var refusedPIN: SharedSecret?
    /// Whether this session has seen the mark of activation.
    var isKnownActivated = false

    init(_ uri: PKCS11URI) { self.uri = uri }

    /// Runs `body` in a session, logged in if there is a PIN; once more, in a new session, if the
    /// session turns out to be lost.
    func perform<R>(
        pin: SharedSecret?, _ body: (Token) throws(TokenError) -> R
    ) throws(TokenError) -> R {
        do throws(TokenError) {
            try connect(pin)
            return try body(self)
        } catch {
            if error.isSessionLost || error.isTokenGone { close() }
            guard error.isSessionLost else { throw error }
        }
        do throws(TokenError) {
            try connect(pin)
            return try body(self)
        } catch {
            close()
            throw error
        }
    }

    /// Makes one call in the session.
    func call(
        _ name: String, _ body: (CK_FUNCTION_LIST, CK_SESSION_HANDLE) -> CK_RV?
    ) throws(TokenError) {
        guard let module, let session else {
            throw .returned(call: name, CKR_SESSION_HANDLE_INVALID)
        }
        try Module.check(name, body(module.functions, session))
    }

    /// That the token does AES-256-GCM, and makes such keys.
    func requireMechanisms() throws(TokenError) {
        guard let module else { throw .returned(call: "C_GetMechanismInfo", CKR_DEVICE_REMOVED) }
        for mechanism in [CKM_AES_GCM, CKM_AES_KEY_GEN] {
            var info = CK_MECHANISM_INFO()
            try Module.check(
                "C_GetMechanismInfo",
                module.functions.C_GetMechanismInfo?(slot, mechanism, &info))
        }
    }

    /// Ends the session, and with it what is known of the token.
    func close() {
        if let module, let session { _ = module.functions.C_CloseSession?(session) }
        session = nil
        isLoggedIn = false
        isKnownActivated = false
    }

    private func connect(_ pin: SharedSecret?) throws(TokenError) {
        let module = try load()
        if session == nil {
            slot = try module.slot(of: uri)
            var handle: CK_SESSION_HANDLE = 0
            try Module.check(
                "C_OpenSession",
                module.functions.C_OpenSession?(
                    slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nil, nil, &handle))
            session = handle
        }
        if let pin, !isLoggedIn { try logIn(pin) }
    }

    private func load() throws(TokenError) -> Module {
        if let module { return module }
        let loaded = try Module.loaded(path: uri.modulePath)
        module = loaded
        return loaded
    }

    private func logIn(_ pin: SharedSecret) throws(TokenError) {
        if let refusedPIN, refusedPIN.isEqual(to: pin) {
            throw .returned(call: "C_Login", CKR_PIN_INCORRECT)
        }
        do throws(TokenError) {
            try call("C_Login") { functions, session in
                pin.withUnsafeBytes { bytes in
                    // The module reads the PIN only, in spite of its pointer's type.
                    let text = UnsafeMutablePointer(
                        mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
                    return functions.C_Login?(session, CKU_USER, text, CK_ULONG(bytes.count))
                }
            }
        } catch {
            guard case .returned(_, let code) = error else { throw error }
            // Somebody else in this process logged in: a login is the process's.
            if code == CKR_USER_ALREADY_LOGGED_IN {
                isLoggedIn = true
                return
            }
            if [CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE].contains(code) {
                refusedPIN = pin
            }
            throw error
        }
        isLoggedIn = true
    }
}
