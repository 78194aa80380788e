import Glibc
import HTTP

/// What a server replied, wiped when it is done with: it may hold a data key.
///
/// Not `Sendable`: one call fills it and reads it.
final class ReplyBuffer: HTTPReceiver {
    /// Replies of the transit engine have some hundred bytes.
    static let limit = 1 << 20

    private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
    private(set) var count = 0

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

    /// False, taking nothing, if that is more than a reply may have.
    func take(_ part: UnsafeRawBufferPointer) -> Bool {
        guard part.count <= Self.limit - count else { return false }
        if count + part.count > memory.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(
                byteCount: min(Self.limit, 2 * (count + part.count)), alignment: 16)
            larger.copyMemory(from: bytes)
            free()
            memory = larger
        }
        UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: part)
        count += part.count
        return true
    }

    deinit { free() }

    private func free() {
        // It has an address: no allocation here is empty.
        explicit_bzero(memory.baseAddress!, memory.count)
        memory.deallocate()
    }

    /// The text of the first JSON string member of that name, without its quotes; nil if there is
    /// none. For values without escapes alone.
    func member(_ name: String) -> UnsafeRawBufferPointer? {
        let key = Array("\"\(name)\":\"".utf8)
        let bytes = bytes
        guard bytes.count >= key.count else { return nil }
        for start in 0...(bytes.count - key.count)
        where bytes[start..<(start + key.count)].elementsEqual(key) {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[(start + key.count)...])
            guard let end = rest.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
            return UnsafeRawBufferPointer(rebasing: rest[..<end])
        }
        return nil
    }
}
