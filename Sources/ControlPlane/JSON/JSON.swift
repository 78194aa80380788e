/// A JSON value (RFC 8259) that keeps the order of an object's members, so that `RequestId` comes
/// first in a reply, and the text of numbers, so that no size is ever rounded.
public enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    /// The number as it is written.
    case number(String)
    case string(String)
    case array([JSON])
    case object(JSONObject)

    public static func integer(_ value: some BinaryInteger) -> JSON { .number(String(value)) }

    /// The member of an object; nil when there is none, or when this is no object.
    public subscript(name: String) -> JSON? {
        if case .object(let object) = self { object[name] } else { nil }
    }

    /// The text of a string.
    public var string: String? { if case .string(let text) = self { text } else { nil } }

    /// The value of a number without fraction or exponent that fits.
    public var unsigned: UInt64? { if case .number(let text) = self { UInt64(text) } else { nil } }

    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The elements of an array.
    public var array: [JSON]? { if case .array(let values) = self { values } else { nil } }
}

/// The members of a JSON object, in order.
public struct JSONObject: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    public struct Member: Sendable, Hashable {
        public let name: String
        public let value: JSON
    }

    public private(set) var members: [Member]

    public init(dictionaryLiteral elements: (String, JSON)...) {
        members = elements.map { Member(name: $0.0, value: $0.1) }
    }

    /// The first member of that name.
    public subscript(name: String) -> JSON? { members.first { $0.name == name }?.value }

    /// Adds a member at the end; nothing when there is no value.
    public mutating func append(_ name: String, _ value: JSON?) {
        if let value { members.append(Member(name: name, value: value)) }
    }

    /// Adds all members of another object at the end.
    public mutating func append(_ other: JSONObject) { members += other.members }
}

extension JSON: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
}

extension JSON: ExpressibleByBooleanLiteral {
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}
