import CryptoPrimitives
import Testing

@testable import DiskFormat

/// Found by `Tests/fuzz wrapped-key`: Foundation's decoder traps on the first of these.
@Suite struct DeepJSONTests {
    @Test(arguments: [513, 512, 33]) func deepTextIsRefused(depth: Int) {
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: depth)
        #expect(throws: FormatError.self) { try StoreManifest(decoding: deep) }
    }

    @Test func bracketsInTextDoNotCount() {
        let text = #"{"a":"\""# + String(repeating: "[", count: 600) + #"\\","b":[[]]}"#
        #expect(JSONNesting.isBounded(text.utf8))
    }
}
