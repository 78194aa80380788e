import CryptoPrimitives
import Testing

@testable import DiskFormat

/// Whole sealed snapshots. The values were computed by a script that shares no code with this
/// program, from the tables of OnDiskFormat.md (AES-GCM, HMAC and HKDF of Python, XXH3 of xxhash);
/// whoever changes one of them here changes the format.
@Suite struct GoldenSealedTests {
    struct Golden: Sendable {
        let suite: Suite
        let isIncremental: Bool
        /// Whether one of the snapshots was imported.
        var hasSalt = false
        let size: Int
        let digest: String
        let entry: String
        let tag: String
    }

    static let golden = [
        Golden(
            suite: .aes256GCM, isIncremental: false, size: 20480,
            digest: "ed1cfec90040d0536253b4889c3828554d7d1d85142a20806b91c7e2808fe15d",
            entry: "192b1040600723eea411b382e1e4277fa2d0659f82ac50db1522792e13cd9b0b",
            tag: "a30ad9516c78ff69b95881c079d4e251"),
        Golden(
            suite: .aes256GCM, isIncremental: true, size: 16384,
            digest: "aec7f1665697850dc9bd1b0f01e80ca8b085f1ecaaaac59ea4b6f2f41ec6b9bd",
            entry: "813c387a7f221b99cb481b247c273e4c62cbc6f5c10014b5cc942d8e22b5968a",
            tag: "fd64a21bc46b161eb6defd4bad235c9d"),
        Golden(
            suite: .plain, isIncremental: false, size: 20480,
            digest: "3815ce9092e604a8c3b6d2785f99c81466750dc8dad9278603facd91d99070ef",
            entry: "0100000000020000000001000000000078e09d05b4927fd82e31511d32df5261",
            tag: "3a446503b58a19db05a494c126a12bab"),
        Golden(
            suite: .plain, isIncremental: true, size: 16384,
            digest: "427ebaeb19ba3b2cfe27df363bcb5d5dd7ac101425d7af5f178fee30d9a60cfb",
            entry: "010000000002000000000100000000003bea6e639ce0b64a8d8ea217243a634d",
            tag: "abf131329e2cf6f8da5198b4bcf781ac"),
        Golden(
            suite: .aes256GCM, isIncremental: true, hasSalt: true, size: 16384,
            digest: "47ba52a4a5a1f4ae457788eec2f95d31bc0b9ac2d31d2ad97bc7aba58267655a",
            entry: "0119f3081d04e974978b0811bf2a6ee12c3afe6552184eb625a0398f92cd1e2a",
            tag: "c5b2ba179000b67f781063a728129644"),
        Golden(
            suite: .plain, isIncremental: true, hasSalt: true, size: 16384,
            digest: "26d5cb6991bf4fbd5aaa946241fe05ded781aeaf0a1da093e40ee33a48032fb2",
            entry: "0100000000020000000001000000000024abe123093438f8839a5300e8792d1f",
            tag: "0835307dae3ab61af3644f98b4e7d8b8"),
    ]

    @Test(arguments: golden) func files(golden: Golden) throws {
        let header = try SealedExample.header(
            golden.suite, base: golden.isIncremental ? SealedExample.base : nil,
            differenceSalt: golden.hasSalt
                ? Array(0xd0..<0xf0) : SealedSnapshotHeader.noDifferenceSalt)
        let items = golden.isIncremental ? SealedExample.changes : SealedExample.items
        let frame = try SealedExample.frame(items, of: header, golden.suite)
        let file = try header.sealed(with: Example.keys(golden.suite)) + frame
        #expect(file.count == golden.size)
        #expect(Hex.text(Array(frame[..<32])) == golden.entry)
        #expect(Hex.text(Array(frame[4048..<4064])) == golden.tag)
        #expect(Hex.text(try SHA256.hash(file)) == golden.digest)
        if !golden.isIncremental { #expect(SealedGeometry.fileSize(blocks: 3) == 20480) }
    }

    /// The example of OnDiskFormat.md.
    @Test func theWorkedExample() throws {
        let keys = try WorkedExampleTests.keys()
        let header = try SealedSnapshotHeader(
            lineage: WorkedExampleTests.lineage,
            snapshot: #require(.init("s-00000000000000000002")),
            base: nil, disk: #require(.init("d-00000000000000000001")), created: 0, size: 8 * 4096,
            storedBlocks: 1, salt: WorkedExampleTests.salt, store: Hex.text(Array(0x40..<0x50)),
            key: .init(
                suite: .aes256GCM, epoch: 1, keyID: "key-1",
                wrappedKey: HexBytes([UInt8](repeating: 0, count: 61)),
                keyCheck: HexBytes(keys.keyCheck)))
        let page = try header.sealed(with: keys)
        #expect(
            Hex.text(Array(page[4032..<4064]))
                == "ef610e6955e9a217ab5660363f0dc38e247ac9088664f0a108812f63cd9fe225")
        #expect(
            Hex.text(Array(page[4064...]))
                == "77cfe1e09a24bec461c41df95397c25ce6b7ed1c2f8b21abf24270493d594b95")
        var frame = [UInt8](repeating: 0, count: 4096) + WorkedExampleTests.body
        let first = try #require(FrameNumber(0))
        try frame.withUnsafeMutableBytes {
            try keys.cipher(for: header).seal([.data(7)], as: first, isLast: true, in: $0)
        }
        #expect(
            Hex.text(Array(frame[..<32]))
                == "46ede719158608d3d73b5ee6e457285b369c913ade9cef68175fc9f8f5157161")
        #expect(
            Hex.text(Array(frame[4032..<4064]))
                == "0000000000000000010001000100000023ecefd4050ce8c667572cbfead94377")
        #expect(
            Hex.text(Array(frame[4064..<4096]))
                == "6320ace421975a79e5a63fbe26bb47e662b84b584b1a0009be86beaceb7169bb")
        #expect(Hex.text(Array(frame[4096..<4112])) == "fac8d216f948b833a1409efd81d64fab")
        #expect(
            Hex.text(try SHA256.hash(page + frame))
                == "a5d284ccb0e504353b4d6f60ec6b1e4cfa5b82514e5fe4196bda73e6f1ded782")
    }
}
