/// A path inside a store: components of `[A-Za-z0-9._-]` joined by `/`, none of them empty or
/// beginning with a dot. Nothing a store is asked for can leave its folder.
public struct ObjectName: Hashable, Sendable, CustomStringConvertible {
    public let path: String

    /// nil if `path` is not of that form.
    public init?(_ path: String) {
        guard !path.isEmpty, path.utf8.count <= 1024 else { return nil }
        for component in path.split(separator: "/", omittingEmptySubsequences: false) {
            guard let first = component.utf8.first, first != UInt8(ascii: "."),
                component.utf8.allSatisfy(Self.isAllowed)
            else { return nil }
        }
        self.path = path
    }

    public var components: [Substring] { path.split(separator: "/") }
    public var description: String { path }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
