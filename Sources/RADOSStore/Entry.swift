/// What a name stands for, as its folder has it: a line of text.
enum Entry: Hashable {
    case folder
    /// A chunk's bytes, or those of an object that is too large to stand beside its name, lie under
    /// an id that was drawn for them and is never used again.
    case chunk(length: UInt64, id: String)
    /// The id is what makes each version of an object another one.
    case object(length: UInt64, id: String)

    /// Objects up to here stand beside their names, where reading one takes one question and
    /// replacing it one order.
    static let inlineLimit = 64 << 10
    /// No more than the program ever makes: what says so is not one of ours.
    private static let longest: UInt64 = 1 << 40

    var encoded: [UInt8] {
        switch self {
        case .folder: Array("folder".utf8)
        case .chunk(let length, let id): Array("chunk \(length) \(id)".utf8)
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
        guard words.count == 3, let length = UInt64(words[1]), length <= Self.longest,
            words[2].utf8.count == 32,
            words[2].utf8.allSatisfy({
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            })
        else { return nil }
        switch words[0] {
        case "chunk": self = .chunk(length: length, id: String(words[2]))
        case "object": self = .object(length: length, id: String(words[2]))
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

    /// Of the content that lies in pieces of its own: its length and its id.
    var pieces: (length: UInt64, id: String)? {
        switch self {
        case .folder: nil
        case .chunk(let length, let id): (length, id)
        case .object(let length, let id):
            length > UInt64(Self.inlineLimit) ? (length, id) : nil
        }
    }
}
