import ControlPlane

/// Ids as a terminal shows them: cut where they are told apart from all others of their kind, and
/// still taken for themselves wherever an id is.
struct ShortID {
    private let length: Int

    /// - Parameter all: every id of the kind in the store.
    init(among all: [String]) {
        let sorted = all.sorted()
        let shared = zip(sorted, sorted.dropFirst()).map { Self.common($0, $1) }
        length = max(ResourceName.shortestIDPrefix, (shared.max() ?? 0) + 1)
    }

    func text(_ id: String) -> String { String(id.prefix(length)) }

    private static func common(_ a: String, _ b: String) -> Int {
        zip(a, b).prefix { $0 == $1 }.count
    }
}

/// When something was made, in UTC, at the length that there is room for.
enum ShortTime {
    /// `2026-11-23 22:00`.
    static func minute(_ time: String) -> String {
        time.prefix(16).split(separator: "T").joined(separator: " ")
    }

    /// `2026-11-23`.
    static func day(_ time: String) -> String { String(time.prefix(10)) }
}
