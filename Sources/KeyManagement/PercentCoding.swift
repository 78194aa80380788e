/// Percent-encoding of URIs (RFC 3986 section 2.1).
package enum PercentCoding {
    /// nil for a `%` without two hexadecimal digits, for a zero byte, or for what is not UTF-8.
    package static func decode(_ text: some StringProtocol) -> String? {
        let input = Array(text.utf8)
        var output: [UInt8] = []
        var index = 0
        while index < input.count {
            var byte = input[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < input.count, let high = digit(input[index + 1]),
                    let low = digit(input[index + 2])
                else { return nil }
                byte = high << 4 | low
                index += 2
            }
            guard byte != 0 else { return nil }
            output.append(byte)
            index += 1
        }
        return String(validating: output, as: UTF8.self)
    }

    /// Everything but letters, digits, `-._~/` as `%XX`.
    package static func encode(_ text: String) -> String {
        let plain = Set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/".utf8)
        return text.utf8.map { byte in
            if plain.contains(byte) { return String(Unicode.Scalar(byte)) }
            return (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
    }
}
