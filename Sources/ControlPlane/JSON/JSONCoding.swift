import FoundationEssentials

/// Encodable values as JSON. The only file here that needs Foundation.
enum JSONCoding {
    static func json(of value: some Encodable) throws -> JSON {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return try JSON(parsing: encoder.encode(value))
    }
}
