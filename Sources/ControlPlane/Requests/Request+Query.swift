extension Request {
    /// The form of a query string: `Key=Value` joined by `&`, percent-encoded, `+` for a blank.
    static func parameters(ofQuery text: Substring) throws(Refusal) -> [Parameter] {
        guard !text.contains(where: \.isWhitespace) else {
            throw malformed(
                "in the query form a blank is written + or %20; in the form of words"
                    + " the action comes first, by itself: `CreateDisk Key=Value`")
        }
        var pairs: [Parameter] = []
        for part in text.split(separator: "&", omittingEmptySubsequences: true) {
            guard let equals = part.firstIndex(of: "=") else {
                throw malformed("in the query form every part is Key=Value; '\(part)' is not")
            }
            pairs.append(
                Parameter(
                    name: try decode(part[..<equals]),
                    value: try decode(part[part.index(after: equals)...])))
        }
        return pairs
    }

    private static func decode(_ text: Substring) throws(Refusal) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = hexadecimal(rest.popFirst()),
                    let low = hexadecimal(rest.popFirst())
                else { throw malformed("behind % stand two hexadecimal digits") }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw malformed("a percent-encoded value is not UTF-8")
        }
        return decoded
    }

    private static func hexadecimal(_ byte: UInt8?) -> UInt8? {
        byte.flatMap { Character(Unicode.Scalar($0)).hexDigitValue }.map { UInt8($0) }
    }
}
