/// The parameters of a request as its action reads them. Strict: a parameter that the action does
/// not know is refused, since ignoring `Encryptd=true` would make a plain disk.
struct Arguments {
    private let values: [String: String]

    init(_ request: Request, of action: Action, region: String) throws(Refusal) {
        let known = action.parameters + Action.commonParameters
        for parameter in request.parameters where !known.contains(parameter.name) {
            throw .parameter(
                parameter.name, "\(action.name) has no parameter \(parameter.name).",
                recommend: Suggestion.nearest(to: parameter.name, among: known)
                    .map { "Did you mean \($0)? Names are case-sensitive." }
                    ?? "It takes \(known.joined(separator: ", ")).")
        }
        values = Dictionary(
            request.parameters.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        if let asked = values["RegionId"], asked != region {
            throw Refusal(
                .regionNotFound, "This store is in region \(region), not in \(asked).",
                recommend: "Leave RegionId out, or use a store of that region.")
        }
    }

    /// All of them in a fixed order and unambiguous, to tell whether two requests are the same.
    var canonical: String {
        values.sorted { $0.key < $1.key }
            .map { "\($0.key.utf8.count):\($0.key)=\($0.value.utf8.count):\($0.value)" }
            .joined(separator: "&")
    }

    /// The value as it is given; nil when it is not. An empty one is refused.
    func text(_ name: String) throws(Refusal) -> String? {
        guard let value = values[name] else { return nil }
        guard !value.isEmpty else {
            throw .parameter(
                name, "`\(name)` is empty.", recommend: "Give it a value, or leave it out.")
        }
        return value
    }

    func required(_ name: String) throws(Refusal) -> String {
        guard let value = try text(name) else {
            throw Refusal(
                .missingParameter, "`\(name)` is missing.", parameter: name,
                recommend: "Add `\(name)=…`.")
        }
        return value
    }

    func flag(_ name: String) throws(Refusal) -> Bool? {
        switch try text(name) {
        case nil: return nil
        case "true": return true
        case "false": return false
        case let value?:
            throw .parameter(
                name, "`\(name)` is true or false, not '\(value)'.",
                recommend: "Write `\(name)=true` or `\(name)=false`.")
        }
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(Refusal) -> Int? {
        guard let value = try text(name) else { return nil }
        guard let number = Int(value), range.contains(number) else {
            throw .parameter(
                name,
                "`\(name)` is a number from \(range.lowerBound) to \(range.upperBound),"
                    + " not '\(value)'.",
                recommend: "Give a number in that range.")
        }
        return number
    }

    /// A disk's size in bytes.
    func size(_ name: String) throws(Refusal) -> UInt64? {
        values[name] == nil ? nil : try requiredSize(name)
    }

    func requiredSize(_ name: String) throws(Refusal) -> UInt64 {
        let value = try required(name)
        do {
            return try ByteSize.diskSize(value)
        } catch {
            throw .parameter(
                name, "`\(name)=\(value)`: \(error.description).",
                recommend: "Give GiB as a number (`\(name)=20`), or a unit: `\(name)=64MiB`.")
        }
    }

    /// A description: free text of 1 to 256 characters.
    func description() throws(Refusal) -> String? {
        guard let text = try text("Description") else { return nil }
        guard text.count <= 256 else {
            throw .parameter(
                "Description", "A description is at most 256 characters long.",
                recommend: "Shorten it.")
        }
        return text
    }

    /// A client's token: up to 64 characters of ASCII.
    func clientToken() throws(Refusal) -> String? {
        guard let token = try text("ClientToken") else { return nil }
        guard token.utf8.count <= 64, token.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw .parameter(
                "ClientToken", "A client token is up to 64 characters of ASCII.",
                recommend: "Give a UUID, for instance.")
        }
        return token
    }

    /// A list of ids or names: apart by commas, or a JSON array of strings as the cloud takes it.
    func list(_ name: String) throws(Refusal) -> [String]? {
        guard let value = try text(name) else { return nil }
        guard value.hasPrefix("[") else {
            return value.split(separator: ",").map { String($0) }
        }
        let elements = (try? JSON(parsing: value.utf8))?.array ?? []
        let texts = elements.compactMap(\.string)
        guard !texts.isEmpty, texts.count == elements.count else {
            throw .parameter(
                name, "`\(name)` is a list of ids.",
                recommend: "Write `\(name)=d-1,d-2` or `\(name)=[\"d-1\",\"d-2\"]`.")
        }
        return texts
    }
}
