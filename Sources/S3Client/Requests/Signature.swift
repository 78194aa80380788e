import CryptoPrimitives

/// AWS Signature Version 4, in the header `Authorization`.
///
/// A request goes out as it is written down here: path and query are escaped once, by the rules of
/// the signature, which are those of a URL made stricter.
struct Signature {
    struct Header: Sendable, Hashable {
        /// In lower case.
        let name: String
        let value: String
    }

    let method: String
    /// Already escaped.
    let path: String
    let query: [(name: String, value: String)]
    /// All of them are signed; `host` and `x-amz-date` among them.
    let headers: [Header]
    /// The hash of the body as hexadecimal text, or what stands for one.
    let payload: String
    let time: SignedTime
    let region: String
    let service: String

    static let unsignedPayload = "UNSIGNED-PAYLOAD"
    static let emptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    private var sorted: [Header] { headers.sorted { $0.name < $1.name } }

    private var signedNames: String { sorted.map(\.name).joined(separator: ";") }

    private var scope: String { "\(time.day)/\(region)/\(service)/aws4_request" }

    /// As it stands in the URL, too.
    var queryText: String {
        query.map { (Escaping.escape($0.name), Escaping.escape($0.value)) }
            .sorted { $0.0 == $1.0 ? $0.1 < $1.1 : $0.0 < $1.0 }
            .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }

    var canonicalRequest: String {
        let lines = sorted.map { "\($0.name):\(Self.plain($0.value))\n" }.joined()
        return "\(method)\n\(path)\n\(queryText)\n\(lines)\n\(signedNames)\n\(payload)"
    }

    var stringToSign: String {
        get throws(CryptoError) {
            let hash = Hex.text(try SHA256.hash(Array(canonicalRequest.utf8)))
            return "AWS4-HMAC-SHA256\n\(time.stamp)\n\(scope)\n\(hash)"
        }
    }

    func signature(by keys: S3Keys) throws(CryptoError) -> String {
        let key = try keys.signingKey(day: time.day, region: region, service: service)
        return Hex.text(try key.authenticate(Array(try stringToSign.utf8)))
    }

    func authorization(by keys: S3Keys) throws(CryptoError) -> String {
        "AWS4-HMAC-SHA256 Credential=\(keys.accessKey)/\(scope), SignedHeaders=\(signedNames),"
            + " Signature=\(try signature(by: keys))"
    }

    /// Without white space around it, and one space for several.
    private static func plain(_ value: String) -> String {
        value.split(separator: " ").joined(separator: " ")
    }
}

/// Escaping of paths and queries as the signature has it.
enum Escaping {
    /// Escapes every byte but letters, digits and `-._~`, and `/` if it is kept.
    static func escape(_ text: String, keepsSlash: Bool = false) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var escaped: [UInt8] = []
        for byte in text.utf8 {
            if isPlain(byte) || (keepsSlash && byte == UInt8(ascii: "/")) {
                escaped.append(byte)
            } else {
                escaped += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }

    /// The reverse, for names in listings, where `+` is a space. nil if a `%` leads to nothing.
    static func unescape(_ text: String) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard rest.count >= 2, let high = rest.popFirst().flatMap(digit),
                    let low = rest.popFirst().flatMap(digit)
                else { return nil }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).hexDigitValue.flatMap { UInt8(exactly: $0) }
    }
}
