import CPKCS11

/// Attributes of an object, with the memory that their values lie in.
struct Template {
    private var values: [(type: CK_ATTRIBUTE_TYPE, bytes: [UInt8])] = []

    mutating func set(_ type: CK_ATTRIBUTE_TYPE, _ bytes: [UInt8]) { values.append((type, bytes)) }

    mutating func set(_ type: CK_ATTRIBUTE_TYPE, _ text: String) { set(type, Array(text.utf8)) }

    mutating func set(_ type: CK_ATTRIBUTE_TYPE, _ flag: Bool) { set(type, [flag ? 1 : 0]) }

    mutating func set(_ type: CK_ATTRIBUTE_TYPE, _ number: CK_ULONG) {
        set(type, withUnsafeBytes(of: number) { Array($0) })
    }

    /// Lends the attributes to one call.
    func withAttributes<R>(
        _ body: (UnsafeMutablePointer<CK_ATTRIBUTE>, CK_ULONG) -> R
    ) -> R {
        // Numbers are read in place by modules: every value begins at a multiple of their size.
        let places = values.reduce(into: [0]) {
            $0.append($0[$0.count - 1] + $1.bytes.count + 7 & ~7)
        }
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(places[values.count], 1), alignment: 8)
        defer { memory.deallocate() }
        var attributes = values.indices.map { index in
            let place = UnsafeMutableRawBufferPointer(rebasing: memory[places[index]...])
            place.copyBytes(from: values[index].bytes)
            return CK_ATTRIBUTE(
                type: values[index].type, pValue: place.baseAddress,
                ulValueLen: CK_ULONG(values[index].bytes.count))
        }
        return attributes.withUnsafeMutableBufferPointer { attributes in
            // An empty list has no address: nobody asks for objects without any attribute.
            body(attributes.baseAddress!, CK_ULONG(attributes.count))
        }
    }
}
