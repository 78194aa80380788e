// Numbers in the format are little-endian; map pages are used in place as arrays of them.
#if _endian(big)
    #error("SealDisk's format is little-endian and map pages are used in place")
#endif

/// Writes fields one after another into a buffer of fixed size, the rest of which stays zero.
struct ByteWriter {
    private(set) var bytes: [UInt8]
    private(set) var offset = 0

    init(count: Int) { bytes = [UInt8](repeating: 0, count: count) }

    mutating func put(_ value: some FixedWidthInteger & UnsignedInteger) {
        for byte in 0..<(value.bitWidth / 8) {
            bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> (byte * 8))
        }
        offset += value.bitWidth / 8
    }

    mutating func put(_ value: [UInt8]) {
        bytes.replaceSubrange(offset..<offset + value.count, with: value)
        offset += value.count
    }

    /// `text` in `width` bytes, padded with zeros. Precondition: it fits (callers pass constants
    /// and validated ids).
    mutating func put(_ text: String, width: Int) {
        precondition(text.utf8.count <= width)
        put(Array(text.utf8) + [UInt8](repeating: 0, count: width - text.utf8.count))
    }
}

/// Reads fields one after another. Precondition of each read: the bytes are there; every record has
/// a fixed size that is checked once, before reading.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func get<T: FixedWidthInteger & UnsignedInteger>(_: T.Type) -> T {
        defer { offset += MemoryLayout<T>.size }
        return bytes.loadUnaligned(fromByteOffset: offset, as: T.self)
    }

    mutating func get(count: Int) -> [UInt8] {
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    /// Text of at most `width` bytes padded with zeros; nil if it is not UTF-8.
    mutating func getText(width: Int) -> String? {
        let field = get(count: width).prefix { $0 != 0 }
        return String(validating: field, as: UTF8.self)
    }

    var restIsZero: Bool { bytes[offset...].allSatisfy { $0 == 0 } }
}
