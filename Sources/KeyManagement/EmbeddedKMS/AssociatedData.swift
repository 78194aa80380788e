/// What a sealed key is bound to, as bytes. Every field is of fixed width or carries its length, so
/// no two lists of fields have the same bytes.
package struct AssociatedData {
    package private(set) var bytes: [UInt8] = []

    /// `label` names what is sealed and the version of its layout.
    package init(label: String) { append(label) }

    /// 4 bytes length, little-endian, then UTF-8.
    package mutating func append(_ text: String) {
        append(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// Little-endian in the number's own width.
    package mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// What every holder of a CMK binds a wrapped data key to: the CMK and the whole context.
    package static func ofDataKey(under keyID: String, _ context: KeyContext) -> [UInt8] {
        var data = AssociatedData(label: "sealdisk wrapped data key 1")
        data.append(keyID)
        data.append(context.store)
        data.append(context.lineage)
        data.append(context.epoch)
        data.append(context.format)
        return data.bytes
    }
}
