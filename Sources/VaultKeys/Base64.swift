/// Base 64 with padding (RFC 4648 section 4), between buffers that their owners wipe.
enum Base64 {
    private static let digits = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")

    static func length(of count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Writes `length(of:)` bytes of text to the beginning of `output`.
    static func encode(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer)
    {
        for (group, start) in stride(from: 0, to: bytes.count, by: 3).enumerated() {
            let count = min(3, bytes.count - start)
            let bits = (0..<3).reduce(UInt32(0)) { bits, place in
                bits << 8 | (place < count ? UInt32(bytes[start + place]) : 0)
            }
            for place in 0..<4 {
                let digit = digits[Int(bits >> UInt32(18 - 6 * place) & 63)]
                output[4 * group + place] = place <= count ? digit : padding
            }
        }
    }

    static func encode(_ bytes: [UInt8]) -> [UInt8] {
        var text = [UInt8](repeating: 0, count: length(of: bytes.count))
        bytes.withUnsafeBytes { bytes in text.withUnsafeMutableBytes { encode(bytes, into: $0) } }
        return text
    }

    /// Fills `output`; false if `text` is not the one text of that many bytes.
    static func decode(
        _ text: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard text.count == length(of: output.count) else { return false }
        for (group, start) in stride(from: 0, to: output.count, by: 3).enumerated() {
            let count = min(3, output.count - start)
            var bits: UInt32 = 0
            for place in 0..<4 {
                let character = text[4 * group + place]
                guard place <= count else {
                    guard character == padding else { return false }
                    bits <<= 6
                    continue
                }
                guard let digit = value(character) else { return false }
                bits = bits << 6 | digit
            }
            for place in 0..<3 {
                let byte = UInt8(truncatingIfNeeded: bits >> UInt32(16 - 8 * place))
                if place < count { output[start + place] = byte } else if byte != 0 { return false }
            }
        }
        return true
    }

    private static func value(_ character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a") + 26)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0") + 52)
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
