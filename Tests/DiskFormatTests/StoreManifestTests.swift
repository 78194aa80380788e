import Testing

@testable import DiskFormat

@Suite struct StoreManifestTests {
    static let text =
        #"{"account":"1234","created":1700000003,"format":"sealdisk-store","region":"cn-x/1","#
        + #""store":"000102030405060708090a0b0c0d0e0f","version":1}"#
    static let manifest = StoreManifest(
        store: Example.lineageText, account: "1234", region: "cn-x/1", created: 1_700_000_003)

    @Test func bytes() throws {
        #expect(String(decoding: Self.manifest.encoded(), as: UTF8.self) == Self.text + "\n")
        #expect(try StoreManifest(decoding: Self.manifest.encoded()) == Self.manifest)
    }

    @Test(arguments: [
        ("", FormatError.Code.malformed), ("{}", .malformed), ("[]", .malformed),
        (text.replacing("sealdisk-store", with: "sealdisk-disk"), .malformed),
        (text.replacing(#""version":1"#, with: #""version":2"#), .unsupported),
        (text.replacing(#""version":1"#, with: #""version":65536"#), .unsupported),
        (text.replacing(#""version":1"#, with: #""version":-1"#), .malformed),
        // Of another version only the kind of file is known.
        (#"{"format":"sealdisk-store","version":3}"#, .unsupported),
        (text.replacing("0d0e0f", with: "0d0e"), .malformed),
        (text.replacing("0d0e0f", with: "0d0e/f"), .malformed),
        (text.replacing(#""account":"#, with: #""ACCOUNT":"#), .malformed),
        (String(text.dropLast()), .malformed),
    ])
    func refused(text: String, code: FormatError.Code) {
        #expect(HeaderTests.code { _ = try StoreManifest(decoding: Array(text.utf8)) } == code)
    }

    @Test func pendingSize() throws {
        #expect(PendingSize(size: 8192).encoded() == Array(#"{"size":8192}"#.utf8))
        #expect(try PendingSize(decoding: PendingSize(size: 8192).encoded()).size == 8192)
    }

    @Test(arguments: [
        "", "{}", "8192", #"{"size":8191}"#, #"{"size":0}"#, #"{"size":-4096}"#,
        #"{"size":35184372092928}"#, #"{"size":18446744073709547520}"#, #"{"size":1e30}"#,
        #"{"size":"8192"}"#,
    ])
    func notAPendingSize(text: String) {
        #expect(
            HeaderTests.code { _ = try PendingSize(decoding: Array(text.utf8)) } == .malformed)
    }
}

@Suite struct UnfinishedCopyTests {
    static let text =
        #"{"format":"sealdisk-copy","store":"000102030405060708090a0b0c0d0e0f","version":1}"#

    @Test func bytes() throws {
        let copy = UnfinishedCopy(of: Example.lineageText)
        #expect(String(decoding: copy.encoded(), as: UTF8.self) == Self.text + "\n")
        #expect(try UnfinishedCopy(decoding: copy.encoded()) == copy)
        // Who knows no copies takes it for no store.
        #expect(HeaderTests.code { _ = try StoreManifest(decoding: copy.encoded()) } == .malformed)
    }

    @Test(arguments: [
        "", "{}", StoreManifestTests.text, text.replacing("sealdisk-copy", with: "sealdisk-store"),
        text.replacing(#""version":1"#, with: #""version":2"#),
        text.replacing("0d0e0f", with: "0d0e"), text.replacing("0d0e0f", with: "0d0e/f"),
        String(text.dropLast()),
    ])
    func refused(text: String) {
        #expect(
            HeaderTests.code { _ = try UnfinishedCopy(decoding: Array(text.utf8)) } == .malformed)
    }
}
