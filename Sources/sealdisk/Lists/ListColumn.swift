import ControlPlane

/// A column of a list, by the name that `-o` and `--sort` know it by.
struct ListColumn: Sendable {
    let name: String
    let column: Table.Column
    /// What is shown of a resource, as the API describes it.
    let text: @Sendable (JSON) -> String
    let key: @Sendable (JSON) -> Key

    /// What resources are sorted by.
    enum Key: Comparable, Sendable {
        case number(UInt64)
        case text(String)
    }

    /// Text, sorted as it is shown.
    static func text(
        _ name: String, mayShrink: Bool = false, _ text: @escaping @Sendable (JSON) -> String
    ) -> ListColumn {
        ListColumn(
            name: name, column: .left(name.uppercased(), mayShrink: mayShrink), text: text,
            key: { .text(text($0)) })
    }

    /// A member of the resource that is text.
    static func text(_ name: String, mayShrink: Bool = false, of member: String) -> ListColumn {
        text(name, mayShrink: mayShrink) { $0.text(member) }
    }

    /// A member that counts.
    static func count(_ name: String, of member: String) -> ListColumn {
        ListColumn(
            name: name, column: .right(name.uppercased()), text: { "\($0.count(member))" },
            key: { .number($0.count(member)) })
    }

    /// A member in bytes, which people read with a unit.
    static func size(_ name: String, of member: String) -> ListColumn {
        ListColumn(
            name: name, column: .right(name.uppercased()), text: { $0.size(member) },
            key: { .number($0.count(member)) })
    }

    /// `encrypted` or `plain`.
    static let kind = text("kind") { $0.flag("Encrypted") ? "encrypted" : "plain" }
}
