extension Request {
    /// Reads a request in any of its three forms:
    ///
    ///     CreateDisk DiskName=data Size=20 Encrypted=true
    ///     Action=CreateDisk&DiskName=data&Size=20&Encrypted=true
    ///     {"Action":"CreateDisk","DiskName":"data","Size":20,"Encrypted":true}
    ///
    /// White space around it (the newline of `echo`) does not count.
    public init(parsing bytes: [UInt8]) throws(Refusal) {
        guard bytes.count <= Limit.bytes else {
            throw Self.malformed("a request is at most \(Limit.bytes) bytes long")
        }
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw Self.malformed("a request is UTF-8 text")
        }
        let trimmed = Self.trim(text)
        guard let first = trimmed.first else { throw Self.malformed("the request is empty") }
        let pairs: [Parameter] =
            if first == "{" {
                try Self.parameters(ofJSON: trimmed)
            } else if trimmed.contains(where: \.isNewline) {
                throw Self.severalRequests
            } else if Self.firstWord(of: trimmed).contains("=") {
                try Self.parameters(ofQuery: trimmed)
            } else {
                try Self.parameters(ofWords: trimmed)
            }
        try self.init(pairs)
    }

    /// The checks that all forms share: one action, sane names and values, none twice.
    private init(_ pairs: [Parameter]) throws(Refusal) {
        guard pairs.count <= Limit.parameters + 1 else {
            throw Self.malformed("a request has at most \(Limit.parameters) parameters")
        }
        var seen: Set<String> = []
        for pair in pairs {
            guard pair.name.utf8.count <= Limit.name, Self.isName(pair.name) else {
                throw Self.malformed("a parameter's name is made of letters, digits and dots")
            }
            guard seen.insert(pair.name).inserted else {
                throw .parameter(
                    pair.name, "The parameter \(pair.name) is given twice.",
                    recommend: "Give it once.")
            }
            guard pair.value.utf8.count <= Limit.value else {
                throw .parameter(
                    pair.name, "The value of \(pair.name) is longer than \(Limit.value) bytes.",
                    recommend: "Give a shorter one.")
            }
            guard !pair.value.unicodeScalars.contains(where: Self.isControl) else {
                throw .parameter(
                    pair.name, "The value of \(pair.name) holds a control character.",
                    recommend: "Give it without.")
            }
        }
        guard let action = pairs.first(where: { $0.name == "Action" })?.value else {
            throw Refusal(
                .missingParameter, "The request names no action.", parameter: "Action",
                recommend: Self.formsToUse)
        }
        self.init(action: action, parameters: pairs.filter { $0.name != "Action" })
    }

    private static func parameters(ofJSON text: Substring) throws(Refusal) -> [Parameter] {
        let value: JSON
        do {
            value = try JSON(parsing: text.utf8)
        } catch {
            throw malformed("the JSON form cannot be read (\(error))")
        }
        guard case .object(let object) = value else {
            throw malformed("the JSON form is one object")
        }
        var pairs: [Parameter] = []
        for member in object.members {
            let text: String
            switch member.value {
            case .string(let value), .number(let value): text = value
            case .bool(let value): text = value ? "true" : "false"
            case .null, .array, .object:
                throw malformed("values in the JSON form are strings, numbers, true or false")
            }
            pairs.append(Parameter(name: member.name, value: text))
        }
        return pairs
    }

    static func malformed(_ problem: String) -> Refusal {
        Refusal(
            .malformedRequest, "The request cannot be read: \(problem).", recommend: formsToUse)
    }

    private static let severalRequests = Refusal(
        .malformedRequest, "The request holds more than one line: one request has one reply.",
        recommend: "Write each request by itself, and read its reply before the next.")

    private static let formsToUse =
        "Write for instance: `CreateDisk DiskName=data Size=20 Encrypted=true`"

    private static func trim(_ text: String) -> Substring {
        var rest = text[...]
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        return rest
    }

    private static func firstWord(of text: Substring) -> Substring {
        text.prefix { !$0.isWhitespace }
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { ASCII.isAlphanumeric($0) || $0 == ASCII.dot }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
    }
}

/// The few questions on ASCII bytes that requests and names ask.
enum ASCII {
    static let dot = UInt8(ascii: ".")

    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
