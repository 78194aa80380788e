/// Text of others, made fit to be shown.
enum Printable {
    /// ASCII that can be seen, and not too much of it.
    static func text(_ text: String, limit: Int = 200) -> String {
        let bytes = text.utf8.prefix(limit).map { (0x20...0x7e).contains($0) ? $0 : 0x3f }
        return String(decoding: bytes, as: UTF8.self) + (text.utf8.count > limit ? "..." : "")
    }
}
