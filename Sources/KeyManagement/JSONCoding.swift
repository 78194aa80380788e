import CryptoPrimitives
import FoundationEssentials

/// JSON in and out; the only file of this module that knows Foundation.
package enum JSONCoding {
    /// One line with its keys in order: one text per value.
    static func encode(_ value: some Encodable, _ what: String) throws(KeyError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return [UInt8](try encoder.encode(value))
        } catch {
            throw KeyError(.io, "cannot write \(what) as JSON: a text in it is not valid")
        }
    }

    /// Throws `.io`. The decoder's own words are left out: they may quote what was read.
    package static func decode<T: Decodable>(
        _ type: T.Type, from bytes: [UInt8], _ what: String
    ) throws(KeyError) -> T {
        guard JSONNesting.isBounded(bytes) else {
            throw KeyError(.io, "\(what) is damaged: it is nested too deeply")
        }
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw KeyError(
                .io, "\(what) is damaged, or not what its name says; restore it from a copy")
        }
    }
}
