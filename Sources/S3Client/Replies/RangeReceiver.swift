import HTTP

/// Takes what a ranged read brings, straight to where it is wanted; what the server says instead,
/// when it says no, to memory.
final class RangeReceiver: HTTPReceiver {
    private let buffer: UnsafeMutableRawBufferPointer
    private let offset: UInt64
    /// Bytes of the reply that stand before those that are wanted: none, unless the server ignored
    /// that it was asked for a range.
    private var leading: UInt64 = 0
    private var isData = false
    private var mayStop = false
    private(set) var filled = 0
    /// Bytes of the body so far.
    private(set) var received: UInt64 = 0
    private(set) var refusal: [UInt8] = []

    /// `buffer` must outlive the call.
    init(_ buffer: UnsafeMutableRawBufferPointer, offset: UInt64) {
        self.buffer = buffer
        self.offset = offset
    }

    func begin(_ head: HTTPHead) {
        isData = head.status == 200 || head.status == 206
        let isWhole = !head.isRange
        leading = isWhole ? offset : 0
        // Without a length only the end tells how long the object is.
        mayStop = isWhole && head.contentLength != nil
    }

    func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard isData else {
            guard bytes.count <= ServerError.lengthLimit - refusal.count else { return false }
            refusal.append(contentsOf: bytes)
            return true
        }
        received += UInt64(bytes.count)
        let skipped = Int(min(leading, UInt64(bytes.count)))
        leading -= UInt64(skipped)
        let count = min(bytes.count - skipped, buffer.count - filled)
        if count > 0 {
            UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[skipped..<(skipped + count)]))
            filled += count
        }
        return !(mayStop && filled == buffer.count)
    }
}

extension HTTPHead {
    /// Whether what follows is a part. Some servers (rclone) say 200 of one all the same.
    var isRange: Bool { status == 206 || self["content-range"] != nil }
}

/// `bytes 0-99/1000`, or `bytes */1000` of an answer that has none of them.
struct ContentRange: Equatable {
    let first: UInt64?
    let last: UInt64?
    let size: UInt64

    /// nil if that is not what it says.
    init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
        let sides = words[1].split(separator: "/", omittingEmptySubsequences: false)
        guard sides.count == 2, let size = UInt64(sides[1]) else { return nil }
        self.size = size
        if sides[0] == "*" {
            (first, last) = (nil, nil)
            return
        }
        let ends = sides[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = UInt64(ends[0]), let last = UInt64(ends[1]),
            first <= last, last < size
        else { return nil }
        (self.first, self.last) = (first, last)
    }
}
