import FoundationEssentials
import Glibc

/// The JSON text of a document, for people and scripts: sorted keys, a line each.
func jsonText(_ document: some Encodable) throws(FileError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
        return Array(try encoder.encode(document)) + [UInt8(ascii: "\n")]
    } catch {
        throw FileError(EIO, "a document could not be written as JSON: \(error)")
    }
}
