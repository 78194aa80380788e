import CryptoPrimitives

/// A line of the key-use log that is part of the chain: JSON whose last member is `sha256`, the
/// SHA-256 of all bytes of the line before `,"sha256":`. Among those is `previous`, the hash of the
/// line before, and `number`, which counts.
struct ChainedLine: Sendable {
    private static let mark = Array(#","sha256":""#.utf8)
    private static let end = Array(#""}"#.utf8)
    private static let tailLength = mark.count + 2 * SHA256.length + end.count

    private static let timeMark = Array(#""time":""#.utf8)
    private static let timeLength = timeMark.count + #"2026-11-29T08:00:00Z""#.utf8.count

    struct Link: Decodable, Sendable {
        let number: UInt64
        let previous: HexBytes
    }

    /// nil if the line is not JSON with these members.
    let link: Link?
    /// As the line says.
    let hash: [UInt8]
    /// What it should say.
    let computed: [UInt8]

    var isIntact: Bool { hash == computed && link != nil }

    /// nil for a line that is not chained. Throws `.io` where the hash cannot be computed.
    init?(_ line: some RandomAccessCollection<UInt8>) throws(KeyError) {
        let line = Array(line)
        let tail = line.suffix(Self.tailLength)
        guard line.count > Self.tailLength, tail.starts(with: Self.mark),
            tail.suffix(Self.end.count).elementsEqual(Self.end),
            let hash = Hex.bytes(
                String(
                    decoding: tail.dropFirst(Self.mark.count).dropLast(Self.end.count),
                    as: UTF8.self))
        else { return nil }
        let content = Array(line.dropLast(Self.tailLength))
        self.hash = hash
        computed = try withCrypto("verify a line of the log") { () throws(CryptoError) in
            try SHA256.hash(content)
        }
        link = try? JSONCoding.decode(Link.self, from: content + [UInt8(ascii: "}")], "a line")
    }

    /// The day (`2026-11-29`) that a line of this program tells, chained or not: `time` is the last
    /// member of its content. nil if it stands elsewhere.
    static func day(of line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let isChained = line.suffix(tailLength).starts(with: mark)
        let time = line.dropLast(isChained ? tailLength : 1).suffix(timeLength)
        guard time.count == timeLength, time.starts(with: timeMark) else { return nil }
        return time.dropFirst(timeMark.count).prefix(10)
    }

    /// The bytes of a new line, its end included, and its hash.
    static func bytes(
        of entry: KeyUseLog.Entry, _ what: String
    ) throws(KeyError) -> (line: [UInt8], hash: HexBytes) {
        // Without the closing brace.
        let content = Array(try JSONCoding.encode(entry, what).dropLast())
        let hash = try withCrypto("write \(what)") { () throws(CryptoError) in
            try SHA256.hash(content)
        }
        let line = content + mark + Array(Hex.text(hash).utf8) + end + [UInt8(ascii: "\n")]
        return (line, HexBytes(hash))
    }
}
