import CryptoPrimitives
import FoundationEssentials

/// JSON of the manifests, by the standard coder: sorted keys, one line. The only place below the
/// control plane that uses any part of Foundation; the MACs cover exact bytes, so nothing depends
/// on how the coder writes.
enum JSONCoding {
    static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // The payload types hold integers, text and arrays of them, which always encode.
        return Array(try! encoder.encode(value))
    }

    static func decode<T: Decodable>(
        _: T.Type, from bytes: some Sequence<UInt8>
    ) throws(FormatError) -> T {
        let data = Data(bytes)
        guard JSONNesting.isBounded(data) else {
            throw FormatError(.malformed, "the JSON is nested too deeply for a \(T.self)")
        }
        do {
            return try JSONDecoder().decode(T.self, from: data)
        } catch {
            throw FormatError(.malformed, "the JSON is not that of a \(T.self)")
        }
    }
}
