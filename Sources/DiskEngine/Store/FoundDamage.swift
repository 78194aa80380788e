/// Damage that was met while reading something: how often, and the first of it in words.
public struct FoundDamage: Sendable, Hashable, Codable {
    /// Requests that failed with it; reading the same place again counts again.
    public private(set) var count: UInt64 = 0
    /// Disk or snapshot, byte, chunk and slot of the first; nil if there was none.
    public private(set) var first: String?

    mutating func note(_ message: String) {
        count += 1
        first = first ?? message
    }
}
