import ChunkStore

/// What a lease is of: it names the lock and the journal that each has for itself. Names and pieces
/// lie in the same place whatever they are of.
///
/// Whoever has the whole has every part. So whoever takes a part puts its lock first and then looks
/// at the whole's; whoever takes the whole puts its lock first and then looks at those of all parts
/// (`PartRegister`). Of two who do this at once one sees the other, or both do.
enum Scope: Hashable, CustomStringConvertible {
    case whole
    /// A folder `lineages/…` of a store that several hosts have.
    case folder(ObjectName)
    /// What lies in no such folder and takes more than one order to change.
    case commons

    /// What a part is called in its store; nil: it is the whole. No folder is called as the commons
    /// are, since each lies below another.
    var part: String? {
        switch self {
        case .whole: nil
        case .folder(let folder): folder.path
        case .commons: "commons"
        }
    }

    init?(part: String) {
        if part == "commons" {
            self = .commons
        } else if let name = ObjectName(part), Self.folder(of: name) == name {
            self = .folder(name)
        } else {
            return nil
        }
    }

    var lock: String { part.map { "lock/\($0)" } ?? "lock" }
    var journal: String { part.map { "journal/\($0)" } ?? "journal" }

    var description: String {
        switch self {
        case .whole: "the store"
        case .folder(let folder): "folder \(folder)"
        case .commons: "what the store's hosts have in common"
        }
    }

    /// The folder `lineages/…` that a name lies in, or is; nil: none.
    static func folder(of name: ObjectName) -> ObjectName? {
        let parts = name.components.prefix(2)
        guard parts.count == 2, parts[0] == "lineages" else { return nil }
        return ObjectName(parts.joined(separator: "/"))
    }
}
