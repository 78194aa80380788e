/// Reads the XML that S3 replies with, and only that: elements and text. Whatever else XML may hold
/// (documents of types, entities of one's own, comments) is refused, so that nothing of a hostile
/// server's is ever followed or expanded.
struct XMLReader {
    enum Token: Equatable {
        /// An element begins; attributes are left out.
        case start(String)
        case end(String)
        /// Text between tags; also white space.
        case text(String)
    }

    struct Problem: Error, Equatable { let text: String }

    private static let depthLimit = 16
    private static let nameLimit = 128

    private let bytes: [UInt8]
    private var place = 0
    private var open: [String] = []
    /// The end of an element that is written as one tag.
    private var pending: Token?
    private var isBegun = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// nil behind the end of the one element that all others are in.
    mutating func next() throws(Problem) -> Token? {
        if let token = pending {
            pending = nil
            return token
        }
        guard isBegun else { return try begin() }
        if open.isEmpty {
            skipSpace()
            guard place == bytes.count else { throw Problem(text: "something behind its end") }
            return nil
        }
        guard let byte = peek() else { throw Problem(text: "it ends too early") }
        return byte == UInt8(ascii: "<") ? try tag() : try text()
    }

    /// The text of the element that has just begun, up to its end. Throws if it has elements.
    mutating func content() throws(Problem) -> String {
        var content = ""
        while let token = try next() {
            switch token {
            case .text(let part): content += part
            case .end: return content
            case .start(let name): throw Problem(text: "an element \(name) where text belongs")
            }
        }
        return content
    }

    /// Goes behind the end of the element that has just begun.
    mutating func skip() throws(Problem) {
        var depth = 1
        while depth > 0, let token = try next() {
            switch token {
            case .start: depth += 1
            case .end: depth -= 1
            case .text: break
            }
        }
    }

    /// The element that all others are in, behind what stands before it.
    private mutating func begin() throws(Problem) -> Token {
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { place = 3 }
        skipSpace()
        if bytes[place...].starts(with: Array("<?xml".utf8)) {
            let end = Array("?>".utf8)
            while !bytes[place...].starts(with: end) {
                guard place < bytes.count else { throw Problem(text: "it ends too early") }
                place += 1
            }
            place += 2
            skipSpace()
        }
        isBegun = true
        guard peek() == UInt8(ascii: "<") else { throw Problem(text: "it is no XML") }
        return try tag()
    }

    private mutating func tag() throws(Problem) -> Token {
        place += 1
        if peek() == UInt8(ascii: "/") {
            place += 1
            let name = try name()
            skipSpace()
            try expect(UInt8(ascii: ">"))
            guard open.popLast() == name else { throw Problem(text: "an end of \(name) alone") }
            return .end(name)
        }
        let name = try name()
        guard open.count < Self.depthLimit else { throw Problem(text: "it is too deep") }
        while true {
            skipSpace()
            switch peek() {
            case UInt8(ascii: ">"):
                place += 1
                open.append(name)
                return .start(name)
            case UInt8(ascii: "/"):
                place += 1
                try expect(UInt8(ascii: ">"))
                return try closeAtOnce(name)
            default: try attribute()
            }
        }
    }

    /// The caller is given the beginning now, and the end next.
    private mutating func closeAtOnce(_ name: String) throws(Problem) -> Token {
        guard !open.isEmpty else { throw Problem(text: "it is empty") }
        pending = .end(name)
        return .start(name)
    }

    private mutating func attribute() throws(Problem) {
        _ = try name()
        skipSpace()
        try expect(UInt8(ascii: "="))
        skipSpace()
        guard let quote = peek(), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
            throw Problem(text: "an attribute without quotes")
        }
        place += 1
        while let byte = peek(), byte != quote {
            guard byte != UInt8(ascii: "<") else { throw Problem(text: "a < in an attribute") }
            place += 1
        }
        try expect(quote)
    }

    private mutating func name() throws(Problem) -> String {
        let start = place
        while let byte = peek(), Self.isOfName(byte) { place += 1 }
        guard place > start, place - start <= Self.nameLimit else {
            throw Problem(text: "a tag that is no element")
        }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    private mutating func text() throws(Problem) -> String {
        var text: [UInt8] = []
        while let byte = peek(), byte != UInt8(ascii: "<") {
            place += 1
            if byte == UInt8(ascii: "&") {
                text.append(contentsOf: try reference().utf8)
            } else {
                text.append(byte)
            }
        }
        guard let valid = String(validating: text, as: UTF8.self) else {
            throw Problem(text: "text that is no UTF-8")
        }
        return valid
    }

    private mutating func text() throws(Problem) -> Token { .text(try text()) }

    /// What stands behind an `&`.
    private mutating func reference() throws(Problem) -> Character {
        let start = place
        while let byte = peek(), byte != UInt8(ascii: ";"), place - start < 12 { place += 1 }
        let name = String(decoding: bytes[start..<place], as: UTF8.self)
        try expect(UInt8(ascii: ";"))
        switch name {
        case "lt": return "<"
        case "gt": return ">"
        case "amp": return "&"
        case "quot": return "\""
        case "apos": return "'"
        default: break
        }
        let digits = name.dropFirst(name.hasPrefix("#x") ? 2 : 1)
        guard name.hasPrefix("#"), digits.allSatisfy(\.isHexDigit),
            let value = UInt32(digits, radix: name.hasPrefix("#x") ? 16 : 10),
            let scalar = Unicode.Scalar(value)
        else { throw Problem(text: "an entity that is not known") }
        return Character(scalar)
    }

    private func peek() -> UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func expect(_ byte: UInt8) throws(Problem) {
        guard peek() == byte else { throw Problem(text: "a tag that is not ended") }
        place += 1
    }

    private mutating func skipSpace() {
        while let byte = peek(), [0x20, 0x09, 0x0a, 0x0d].contains(byte) { place += 1 }
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: ":"):
            true
        default: false
        }
    }
}
