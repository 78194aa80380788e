import ControlPlane

/// What `show` prints of one resource: a label and a value a line.
struct Details {
    private var lines: [(label: String, value: String)] = []

    /// Adds a line; none when there is no value.
    mutating func add(_ label: String, _ value: String?) {
        if let value, !value.isEmpty { lines.append((label, value)) }
    }

    var text: String {
        let width = lines.map(\.label.count).max() ?? 0
        return lines.map { line in
            let space = String(repeating: " ", count: width - line.label.count)
            return "\(line.label)\(space)  \(Table.printable(line.value))\n"
        }.joined()
    }
}

extension JSON {
    /// A member that counts bytes, for people; exact behind it when the short form rounds.
    func size(_ name: String) -> String {
        guard let bytes = self[name]?.unsigned else { return "?" }
        return ByteSize.text(bytes)
    }

    /// The members of an object.
    var members: [JSONObject.Member] {
        if case .object(let object) = self { object.members } else { [] }
    }

    func text(_ name: String) -> String { self[name]?.string ?? "" }
    func flag(_ name: String) -> Bool { self[name]?.bool ?? false }
    func count(_ name: String) -> UInt64 { self[name]?.unsigned ?? 0 }
}
