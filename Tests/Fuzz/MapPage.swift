@testable import DiskFormat

extension FuzzTarget {
    /// A page of the map is used as it was read: 512 addresses, any of which may be anything.
    static let mapPage = FuzzTarget("map-page") {
        let address = BlockAddress(chunk: Example.chunk, slot: 41).rawValue
        let entries: [UInt64] = [0, address, .max, 1 << 52, address + 1]
        return [entries.flatMap { entry in withUnsafeBytes(of: entry) { Array($0) } }]
    } run: { bytes in
        let page = bytes.padded(to: Format.blockSize)
        for index in 0..<MapGeometry.fanOut {
            let address = page.withUnsafeBytes {
                BlockAddress(rawValue: $0.load(fromByteOffset: index * 8, as: UInt64.self))
            }
            if address.isHole { continue }
            _ = address.description
            requireSame(address) { BlockAddress(chunk: address.chunk, slot: address.slot) }
        }
    }
}
