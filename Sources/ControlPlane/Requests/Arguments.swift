/// The parameters of a request as its action reads them. Strict: a parameter that the action does
/// not know is refused, since ignoring `Encryptd=true` would make a plain disk.
struct Arguments {
    private let values: [String: String]
    /// What stands before each name: `DataDisk.1.`.
    private let prefix: String

    init(_ request: Request, of action: Action, region: String) throws(Refusal) {
        let known = action.parameters + Action.commonParameters(of: action)
        for parameter in request.parameters
        where !known.contains(Self.numberless(parameter.name)) {
            throw .parameter(
                parameter.name, "\(action.name) has no parameter \(parameter.name).",
                recommend: Suggestion.nearest(to: parameter.name, among: known)
                    .map { "Did you mean \($0)? Names are case-sensitive." }
                    ?? "It takes \(known.joined(separator: ", ")).")
        }
        values = Dictionary(
            request.parameters.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        prefix = ""
        if let asked = values["RegionId"], asked != region {
            throw Refusal(
                .regionNotFound, "This store is in region \(region), not in \(asked).",
                recommend: "Leave RegionId out, or use a store of that region.")
        }
    }

    private init(values: [String: String], prefix: String) {
        self.values = values
        self.prefix = prefix
    }

    /// `DataDisk.1.Size` as it is known: `DataDisk.n.Size`.
    private static func numberless(_ name: String) -> String {
        name.split(separator: ".", omittingEmptySubsequences: false)
            .map { UInt8($0) != nil ? "n" : String($0) }.joined(separator: ".")
    }

    /// The groups `NAME.1.…`, `NAME.2.…` in the order of their numbers, each as arguments of its
    /// own. `renaming`: names in a group that stand for others.
    func groups(_ name: String, renaming: [String: String] = [:]) -> [Arguments] {
        var found: [UInt8: [String: String]] = [:]
        for (key, value) in values where key.hasPrefix(name + ".") {
            let parts = key.dropFirst(name.utf8.count + 1).split(separator: ".", maxSplits: 1)
            guard parts.count == 2, let number = UInt8(parts[0]) else { continue }
            found[number, default: [:]][renaming[String(parts[1])] ?? String(parts[1])] = value
        }
        return found.sorted { $0.key < $1.key }.map { number, values in
            Arguments(values: values, prefix: "\(prefix)\(name).\(number).")
        }
    }

    /// The values of `NAME.1`, `NAME.2` … in the order of their numbers.
    func numbered(_ name: String) -> [String] {
        values.compactMap { key, value -> (UInt8, String)? in
            guard key.hasPrefix(name + ".") else { return nil }
            return UInt8(key.dropFirst(name.utf8.count + 1)).map { ($0, value) }
        }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// A parameter as the request had it.
    func name(of parameter: String) -> String { prefix + parameter }

    /// Called when everything is checked, before anything is done: ends a request that only wanted
    /// to know whether it would be carried out.
    func stopIfDryRun() throws(Refusal) {
        if try flag("DryRun") ?? false { throw .dryRun }
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
                self.name(of: name), "`\(self.name(of: name))` is empty.",
                recommend: "Give it a value, or leave it out.")
        }
        return value
    }

    func required(_ name: String) throws(Refusal) -> String {
        guard let value = try text(name) else {
            throw Refusal(
                .missingParameter, "`\(self.name(of: name))` is missing.",
                parameter: self.name(of: name), recommend: "Add `\(self.name(of: name))=…`.")
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
                self.name(of: name),
                "`\(self.name(of: name))` is true or false, not '\(value)'.",
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
                self.name(of: name),
                "`\(self.name(of: name))=\(value)`: \(error.description).",
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
