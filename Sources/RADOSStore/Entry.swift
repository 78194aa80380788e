/// What a name stands for, as its folder has it: a line of text.
enum Entry: Hashable {
    case folder
    /// A chunk's bytes, or those of an object that is too large to stand beside its name, lie under
    /// an id that was drawn for them and is never used again.
    case chunk(Placement)
    /// The id is what makes each version of an object another one.
    case object(length: UInt64, id: String)

    /// Objects up to here stand beside their names, where reading one takes one question and
    /// replacing it one order.
    static let inlineLimit = 64 << 10
    var encoded: [UInt8] {
        switch self {
        case .folder: Array("folder".utf8)
        case .chunk(let placement): Array("chunk \(placement.text) \(placement.id)".utf8)
        case .object(let length, let id): Array("object \(length) \(id)".utf8)
        }
    }

    /// nil if no store has written this.
    init?(_ bytes: [UInt8]) {
        let words = String(decoding: bytes, as: UTF8.self).split(
            separator: " ", omittingEmptySubsequences: false)
        if words == ["folder"] {
            self = .folder
            return
        }
        guard words.count == 3, let placement = Placement(id: words[2], text: words[1])
        else { return nil }
        switch words[0] {
        case "chunk": self = .chunk(placement)
        case "object" where placement.shape == nil:
            self = .object(length: placement.length, id: placement.id)
        default: return nil
        }
    }

    /// 128 bits from the system, which nothing had before.
    static func newID() -> String {
        var random = SystemRandomNumberGenerator()
        return (0..<4).map { _ in
            let text = String(random.next() as UInt32, radix: 16)
            return String(repeating: "0", count: 8 - text.count) + text
        }.joined()
    }

    /// Of the content that lies in pieces of its own.
    var placement: Placement? {
        switch self {
        case .folder: nil
        case .chunk(let placement): placement
        case .object(let length, let id):
            length > UInt64(Self.inlineLimit) ? Placement(id: id, length: length) : nil
        }
    }
}
