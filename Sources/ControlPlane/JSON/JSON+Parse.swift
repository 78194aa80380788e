extension JSON {
    /// Why bytes are not JSON, and where.
    public struct SyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
        /// The byte at which reading stopped.
        public let offset: Int
        public let problem: String
        public var description: String { "\(problem) at byte \(offset)" }
    }

    /// The one value that `bytes` are the text of. Nesting is bounded, a member may stand only once
    /// in its object, and nothing but white space may follow.
    public init(parsing bytes: some Sequence<UInt8>) throws(SyntaxError) {
        var parser = JSONParser(bytes: Array(bytes))
        self = try parser.document()
    }
}

/// A recursive-descent reader of JSON text that may be hostile.
private struct JSONParser {
    static let maximumDepth = 32
    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(JSON.SyntaxError) -> JSON {
        let value = try value(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw error("there is more behind the value") }
        return value
    }

    private mutating func value(depth: Int) throws(JSON.SyntaxError) -> JSON {
        guard depth < Self.maximumDepth else { throw error("values are nested too deeply") }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(JSON.SyntaxError) -> JSON {
        var object: JSONObject = [:]
        var names: Set<String> = []
        position += 1
        skipSpace()
        if take("}") { return .object(object) }
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw error("a member's name is missing") }
            let name = try string()
            guard names.insert(name).inserted else { throw error("a member stands there twice") }
            skipSpace()
            guard take(":") else { throw error("':' is missing") }
            object.append(name, try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("}") else { throw error("'}' is missing") }
        return .object(object)
    }

    private mutating func array(depth: Int) throws(JSON.SyntaxError) -> JSON {
        var values: [JSON] = []
        position += 1
        skipSpace()
        if take("]") { return .array(values) }
        repeat {
            values.append(try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("]") else { throw error("']' is missing") }
        return .array(values)
    }

    private mutating func string() throws(JSON.SyntaxError) -> String {
        var text: [UInt8] = []
        position += 1
        while let byte = peek, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw error("a control character in a string") }
            position += 1
            if byte == UInt8(ascii: "\\") {
                try escape(into: &text)
            } else {
                text.append(byte)
            }
        }
        guard take("\"") else { throw error("a string does not end") }
        guard let text = String(validating: text, as: UTF8.self) else {
            throw error("a string is not UTF-8")
        }
        return text
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSON.SyntaxError) {
        guard let byte = peek else { throw error("a string does not end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text += String(try escapedScalar()).utf8
        default: throw error("an unknown escape")
        }
    }

    /// The character of `\uXXXX`, or of a surrogate pair of them.
    private mutating func escapedScalar() throws(JSON.SyntaxError) -> Character {
        var code = UInt32(try hexadecimal())
        if (0xd800..<0xdc00).contains(code), take("\\"), take("u") {
            let low = UInt32(try hexadecimal())
            guard (0xdc00..<0xe000).contains(low) else { throw error("half a surrogate pair") }
            code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw error("half a surrogate pair") }
        return Character(scalar)
    }

    private mutating func hexadecimal() throws(JSON.SyntaxError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("four hexadecimal digits are missing")
            }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }

    private mutating func word(_ text: String, _ value: JSON) throws(JSON.SyntaxError) -> JSON {
        guard bytes[position...].starts(with: text.utf8) else { throw error("not a JSON value") }
        position += text.utf8.count
        return value
    }

    private mutating func number() throws(JSON.SyntaxError) -> JSON {
        let start = position
        _ = take("-")
        let leading = position
        guard digits() > 0 else { throw error("not a JSON value") }
        guard bytes[leading] != UInt8(ascii: "0") || position == leading + 1 else {
            throw error("a number begins with 0")
        }
        if take("."), digits() == 0 { throw error("digits are missing") }
        if take("e") || take("E") {
            _ = take("+") || take("-")
            if digits() == 0 { throw error("digits are missing") }
        }
        return .number(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private mutating func digits() -> Int {
        let start = position
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            position += 1
        }
        return position - start
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, [0x20, 0x09, 0x0a, 0x0d].contains(byte) { position += 1 }
    }

    private func error(_ problem: String) -> JSON.SyntaxError {
        JSON.SyntaxError(offset: position, problem: problem)
    }
}
