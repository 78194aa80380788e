import CryptoPrimitives

/// A line of JSON and a line with its SHA-256 in hexadecimal digits, which finds accidents: for
/// records that no key authenticates.
enum CheckedJSON {
    static func encode(_ value: some Encodable) throws(CryptoError) -> [UInt8] {
        let line = JSONCoding.encode(value)
        return line + [UInt8(ascii: "\n")] + Array(Hex.text(try SHA256.hash(line)).utf8)
            + [UInt8(ascii: "\n")]
    }

    /// Throws `.malformed` for bytes that are not a whole record of at most `limit` bytes.
    static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: [UInt8], limit: Int
    ) throws -> Value {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard bytes.count <= limit, lines.count == 3, lines[2].isEmpty,
            Array(lines[1]) == Array(Hex.text(try SHA256.hash(Array(lines[0]))).utf8)
        else { throw FormatError(.malformed, "its checksum is not that of its content") }
        return try JSONCoding.decode(type, from: lines[0])
    }
}
