// The bytes of an index, as the table in ChunkIndex.swift says.
extension ChunkIndex {
    func encoded() -> [UInt8] {
        let objects = objects
        var places: [DataObject: UInt32] = [:]
        for (index, object) in objects.enumerated() { places[object] = UInt32(index) }
        var bytes = Self.magic + LittleEndian.bytes(length)
        bytes += LittleEndian.bytes(UInt32(objects.count))
        bytes += LittleEndian.bytes(UInt32(extents.count))
        bytes += LittleEndian.bytes(UInt32(inline.count))
        bytes += LittleEndian.bytes(UInt32(isCompacted ? 1 : 0))
        for object in objects {
            bytes += LittleEndian.bytes(object.number) + LittleEndian.bytes(object.random)
        }
        for extent in extents {
            var place = UInt32.max
            if case .object(let object) = extent.source { place = places[object] ?? .max }
            bytes += LittleEndian.bytes(extent.offset) + LittleEndian.bytes(extent.length)
            bytes += LittleEndian.bytes(place) + LittleEndian.bytes(UInt32(0))
            bytes += LittleEndian.bytes(extent.at)
        }
        return bytes + inline
    }

    /// nil if it is none, or not in the bounds that the table gives.
    init?(decoding bytes: [UInt8]) {
        guard bytes.count >= Self.headSize, bytes.count <= Self.sizeLimit,
            Array(bytes[..<8]) == Self.magic
        else { return nil }
        func u32(_ offset: Int) -> UInt32 { LittleEndian.number(bytes[offset..<offset + 4]) }
        func u64(_ offset: Int) -> UInt64 { LittleEndian.number(bytes[offset..<offset + 8]) }
        self.init(length: u64(8))
        let (objectCount, extentCount) = (Int(u32(16)), Int(u32(20)))
        let inlineCount = Int(u32(24))
        let extentsAt = Self.headSize + 16 * objectCount
        let inlineAt = extentsAt + 32 * extentCount
        guard length <= Self.longestChunk, u32(28) <= 1, extentCount <= Self.extentLimit,
            objectCount <= extentCount, inlineAt + inlineCount == bytes.count
        else { return nil }
        isCompacted = u32(28) == 1
        inline = Array(bytes[inlineAt...])
        let objects = (0..<objectCount).map { index in
            let at = Self.headSize + 16 * index
            return DataObject(number: u64(at), random: u64(at + 8))
        }
        var end: UInt64 = 0
        for index in 0..<extentCount {
            let start = extentsAt + 32 * index
            let (offset, count) = (u64(start), u64(start + 8))
            let (place, at) = (u32(start + 16), u64(start + 24))
            guard offset >= end, count > 0, offset <= length, count <= length - offset,
                u32(start + 20) == 0, at <= Self.longestChunk
            else { return nil }
            end = offset + count
            let source: Source
            if place == .max {
                guard at <= UInt64(inlineCount), count <= UInt64(inlineCount) - at else {
                    return nil
                }
                source = .inline
            } else {
                guard Int(place) < objects.count else { return nil }
                source = .object(objects[Int(place)])
            }
            extents.append(Extent(offset: offset, length: count, source: source, at: at))
        }
    }
}

extension ChunkIndex.DataObject {
    /// `NUMBER-RANDOM`, 16 hexadecimal digits each.
    var text: String { Self.hex(number) + "-" + Self.hex(random) }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
