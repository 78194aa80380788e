import KeyManagement

/// Which server and which engine of it:
/// `vault+https://HOST:PORT/MOUNT?key=NAME&ca=/path&token-source=file:/path`.
public struct VaultURI: Sendable, Hashable {
    static let schemes = ["vault+https://": "https", "vault+http://": "http"]

    /// `https`, or `http` to the host itself.
    let scheme: String
    /// Host and port as they stand in a URL.
    let authority: String
    /// Where the transit engine is mounted.
    let mount: String
    /// What the names of the CMKs begin with.
    let keyPrefix: String
    /// A file of certificates that vouch for the server; nil: the host's own.
    public let certificates: String?
    let tokenSource: CredentialSource

    /// Throws `.io`, saying which part of the URI cannot be used.
    public init(_ text: String) throws(KeyError) {
        guard let scheme = Self.schemes.first(where: { text.hasPrefix($0.key) }) else {
            throw Self.refusal("it does not begin with vault+https://")
        }
        let parts = text.dropFirst(scheme.key.count)
            .split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let place = parts[0].split(
            separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        self.scheme = scheme.value
        authority = String(place[0])
        guard let host = Self.host(place[0]) else {
            throw Self.refusal("it names no host, or no host and port")
        }
        guard scheme.value == "https" || Self.isLoopback(host) else {
            throw Self.refusal(
                "vault+http:// is for 127.0.0.1 and [::1] alone: on a network it shows every data"
                    + " key; use vault+https://")
        }
        mount = place.count > 1 && !place[1].isEmpty ? String(place[1]) : "transit"
        var query = try Self.query(parts.count > 1 ? parts[1] : "")
        keyPrefix = query.removeValue(forKey: "key") ?? "sealdisk"
        guard Self.isName(mount, also: "/"), !mount.hasPrefix("/"), !mount.hasSuffix("/"),
            Self.isName(keyPrefix)
        else { throw Self.refusal("mount and key are letters, digits, '-' and '_'") }
        certificates = query.removeValue(forKey: "ca")
        guard certificates?.hasPrefix("/") ?? true else {
            throw Self.refusal("ca is the absolute path of a file of certificates")
        }
        let source = query.removeValue(forKey: "token-source")
        if query["token"] != nil {
            throw Self.refusal(
                "a token in it is shown to every user of the host, and may have been seen by now:"
                    + " revoke it, and say where a new one is with token-source")
        }
        if let unknown = query.keys.min() {
            throw Self.refusal("\(unknown) is not used here; key, ca and token-source are")
        }
        guard let source else {
            tokenSource = .prompt
            return
        }
        guard let named = CredentialSource(source) else {
            throw Self.refusal("token-source is file:/path or command:…")
        }
        tokenSource = named
    }

    /// The URI without where the token is: what people may read.
    var location: String { "vault+\(scheme)://\(authority)/\(mount)?key=\(keyPrefix)" }

    /// The file with the access token, if it is in one.
    public var tokenFile: String? { tokenSource.path }

    /// Whether a person is asked for the access token.
    public var asksAtTerminal: Bool { tokenSource == .prompt }

    /// The CMK's name in the engine. Different accounts and regions have different ones: `.` stands
    /// only between the parts, and `_` only before two hexadecimal digits.
    func keyName(account: String, region: String) -> String {
        func escaped(_ text: String) -> String {
            let bytes = Array(text.utf8)
            return bytes.indices.map { index in
                let character = Character(Unicode.Scalar(bytes[index]))
                let isPlain = character.isASCII && (character.isLetter || character.isNumber)
                // A name may not end with a dash.
                if isPlain || (character == "-" && index < bytes.count - 1) {
                    return String(character)
                }
                let digits = String(bytes[index], radix: 16, uppercase: true)
                return bytes[index] < 16 ? "_0\(digits)" : "_\(digits)"
            }.joined()
        }
        return "\(keyPrefix).\(escaped(account)).\(escaped(region))"
    }

    /// The host of `host`, `host:port` or `[address]:port`.
    private static func host(_ authority: Substring) -> Substring? {
        var host = authority
        let end = authority.hasPrefix("[") ? authority.firstIndex(of: "]") : authority.startIndex
        guard let end else { return nil }
        if let colon = authority[end...].firstIndex(of: ":") {
            guard UInt16(authority[authority.index(after: colon)...]) ?? 0 > 0 else { return nil }
            host = authority[..<colon]
        }
        guard host.hasPrefix("[") else { return isName(String(host)) ? host : nil }
        let digits = host.dropFirst().dropLast()
        let isAddress =
            host.hasSuffix("]") && digits.contains(":")
            && digits.allSatisfy { $0 == ":" || $0 == "." || $0.isHexDigit }
        return isAddress ? host : nil
    }

    private static func isLoopback(_ host: Substring) -> Bool {
        if host == "[::1]" { return true }
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers[0] == "127"
            && numbers.allSatisfy { UInt8($0) != nil }
    }

    private static func isName(_ text: String, also extra: Character? = nil) -> Bool {
        !text.isEmpty && !text.contains("..")
            && text.allSatisfy { character in
                character.isASCII && (character.isLetter || character.isNumber)
                    || "-_.".contains(character) || character == extra
            }
    }

    private static func query(_ text: Substring) throws(KeyError) -> [String: String] {
        var found: [String: String] = [:]
        for part in text.split(separator: "&") {
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

    /// The URI itself is left out: it may hold a token after all.
    private static func refusal(_ problem: String) -> KeyError {
        KeyError(.io, "the URI of the key server cannot be used: \(problem)")
    }
}
