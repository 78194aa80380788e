import KeyManagement

/// Which token, by which module, as an RFC 7512 URI says it:
/// `pkcs11:token=NAME;object=LABEL?module-path=/lib/module.so&pin-source=file:/path`.
public struct PKCS11URI: Sendable, Hashable {
    static let scheme = "pkcs11:"

    /// The token's label; with serial, manufacturer and model, whichever are said, it must match
    /// exactly one token.
    let token: String?
    let serial: String?
    let manufacturer: String?
    let model: String?
    /// The CMK's label; nil: one made of account and region.
    let object: String?
    /// The module's library, an absolute path.
    public let modulePath: String
    let pinSource: CredentialSource

    /// Throws `.io`, saying which part of the URI cannot be used.
    public init(_ text: String) throws(KeyError) {
        guard text.hasPrefix(Self.scheme) else {
            throw Self.refusal("it does not begin with \(Self.scheme)")
        }
        let parts = text.dropFirst(Self.scheme.count)
            .split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var path = try Self.attributes(parts[0], separator: ";")
        var query = try Self.attributes(parts.count > 1 ? parts[1] : "", separator: "&")
        token = path.removeValue(forKey: "token")
        serial = path.removeValue(forKey: "serial")
        manufacturer = path.removeValue(forKey: "manufacturer")
        model = path.removeValue(forKey: "model")
        object = path.removeValue(forKey: "object")
        if query["pin-value"] != nil {
            throw Self.refusal(
                "a PIN in it (pin-value) is shown to every user of the host, and may have been"
                    + " seen by now: change the PIN, and say where it is with pin-source")
        }
        let source = query.removeValue(forKey: "pin-source")
        let module = query.removeValue(forKey: "module-path")
        if let unknown = (Array(path.keys) + Array(query.keys)).min() {
            throw Self.refusal(
                "\(unknown) is not used here; token, serial, manufacturer, model, object,"
                    + " module-path and pin-source are")
        }
        guard token != nil || serial != nil else {
            throw Self.refusal("it names no token (token=LABEL or serial=NUMBER)")
        }
        guard let module, module.hasPrefix("/") else {
            throw Self.refusal("it needs module-path=, the module's absolute path")
        }
        modulePath = module
        guard let source else {
            pinSource = .prompt
            return
        }
        guard let named = CredentialSource(source) else {
            throw Self.refusal("pin-source is file:/path or |command")
        }
        pinSource = named
    }

    /// The URI without where the PIN is: what people may read.
    var location: String {
        let path = [
            ("token", token), ("manufacturer", manufacturer), ("serial", serial), ("model", model),
            ("object", object),
        ]
        let attributes = path.compactMap { name, value in
            value.map { "\(name)=\(PercentCoding.encode($0))" }
        }
        return Self.scheme + attributes.joined(separator: ";")
            + "?module-path=\(PercentCoding.encode(modulePath))"
    }

    /// The file with the PIN, if it is in one.
    public var pinFile: String? { pinSource.path }

    /// Whether a person is asked for the PIN.
    public var asksAtTerminal: Bool { pinSource == .prompt }

    /// The token in words.
    var tokenName: String { token ?? "with serial number \(serial ?? "")" }

    private static func attributes(
        _ text: Substring, separator: Character
    ) throws(KeyError) -> [String: String] {
        var found: [String: String] = [:]
        for part in text.split(separator: separator) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(sides[0])
            guard sides.count == 2, let value = PercentCoding.decode(sides[1]), !value.isEmpty
            else { throw refusal("\(name) has no value, or a bad % in it") }
            guard found.updateValue(value, forKey: name) == nil else {
                throw refusal("\(name) stands there twice")
            }
        }
        return found
    }

    /// The URI itself is left out: it may hold a PIN after all.
    private static func refusal(_ problem: String) -> KeyError {
        KeyError(.io, "the URI of the PKCS #11 token cannot be used: \(problem)")
    }
}
