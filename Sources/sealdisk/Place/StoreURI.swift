import ControlPlane

/// The parts of `SCHEME://PLACE?NAME=VALUE&…`, as stores on other machines are named.
struct StoreURI {
    let scheme: String
    /// What stands between `://` and the first `?`.
    let place: String
    private(set) var settings: [(name: String, value: String)]

    static let schemes = ["s3", "rados"]

    /// nil: a folder's path.
    init?(_ text: String) throws(Failure) {
        guard let scheme = Self.schemes.first(where: { text.hasPrefix("\($0)://") }) else {
            return nil
        }
        self.scheme = scheme
        let parts = text.dropFirst(scheme.count + 3)
            .split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var place = parts[0]
        while place.hasSuffix("/") { place.removeLast() }
        self.place = String(place)
        settings = []
        for setting in parts.dropFirst().joined().split(separator: "&") {
            let pair = setting.split(separator: "=", maxSplits: 1)
            guard pair.count == 2, value(String(pair[0])) == nil else {
                throw Failure(
                    .invalid,
                    "'\(Table.printable(String(setting)))' is no setting of a store's URI.",
                    advice: "Write each once, as NAME=VALUE, with & between two.")
            }
            settings.append((String(pair[0]), String(pair[1])))
        }
        for (_, value) in settings where value.contains(where: { $0 == "," || $0.isWhitespace }) {
            throw Failure(
                .invalid, "'\(Table.printable(value))' has a comma or a space in it.",
                advice: "fstab(5) could not hold such a store: name another file or folder.")
        }
    }

    func value(_ name: String) -> String? { settings.first { $0.name == name }?.value }

    mutating func set(_ name: String, _ value: String) {
        settings.removeAll { $0.name == name }
        settings.append((name, value))
    }

    /// Throws where a setting is none of these.
    func demand(_ names: [String]) throws(Failure) {
        for (name, _) in settings where !names.contains(name) {
            throw Failure(
                .invalid, "'\(Table.printable(name))' is no setting of \(scheme)://….",
                advice: "There are: \(names.joined(separator: ", ")).")
        }
    }

    /// The same store is the same text: settings in the order of their names.
    var text: String {
        let sorted = settings.sorted { $0.name < $1.name }.map { "\($0.name)=\($0.value)" }
        let tail = sorted.isEmpty ? "" : "?" + sorted.joined(separator: "&")
        return "\(scheme)://\(place)\(tail)"
    }
}
