/// 4 KiB of a file in memory. A page that was never written holds no bytes and reads as zeros.
struct MemoryPage: Sendable {
    static let size = 4096
    /// What a page of a new file is: space is set aside for it, nothing was written to it.
    static let blank = MemoryPage(bytes: [], isAllocated: true)

    /// `size` bytes, or none when they are all zero.
    var bytes: [UInt8]
    /// Whether it counts as space taken.
    var isAllocated: Bool

    func read(into target: UnsafeMutableRawBufferPointer, at offset: Int) {
        if bytes.isEmpty {
            _ = target.initializeMemory(as: UInt8.self, repeating: 0)
        } else {
            bytes.withUnsafeBytes {
                target.copyMemory(from: .init(rebasing: $0[offset..<offset + target.count]))
            }
        }
    }

    mutating func write(_ source: UnsafeRawBufferPointer, at offset: Int) {
        isAllocated = true
        if bytes.isEmpty { bytes = [UInt8](repeating: 0, count: Self.size) }
        bytes.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[offset...]).copyMemory(from: source)
        }
    }
}
