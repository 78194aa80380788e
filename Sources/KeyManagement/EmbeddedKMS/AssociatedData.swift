/// What a sealed key is bound to, as bytes. Every field is of fixed width or carries its length, so
/// no two lists of fields have the same bytes.
struct AssociatedData {
    private(set) var bytes: [UInt8] = []

    /// `label` names what is sealed and the version of its layout.
    init(label: String) { append(label) }

    /// 4 bytes length, little-endian, then UTF-8.
    mutating func append(_ text: String) {
        append(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// Little-endian in the number's own width.
    mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
