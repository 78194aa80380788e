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
            digest: "49ebd62c59150f7e8ca2850eaac9a22f2c8f6f3b1595942de7b3a165310d23d5",
            entry: "4650df0785fab692a950095767652bbdce51e7a50ac19ff90800910e12c190fc",
            tag: "c9c1004ee47394f2bd13338e64672d9f"),
        Golden(
            suite: .aes256GCM, isIncremental: true, size: 16384,
            digest: "6e8fd9207543eee40650b814fd54cd51e9daa3bc05ea52f72dcd0cb81584990d",
            entry: "d78a8c9538048594fe6c9f3a9873c460967eb7e780e99cb16ef4bb40d0290d90",
            tag: "47ae5b74d42cba1910c7d83255b1b85d"),
        Golden(
            suite: .plain, isIncremental: false, size: 20480,
            digest: "1cf4a2e290dc60b4c3163da645420e19d857543ece81f5116bb653ed6de13be3",
            entry: "0100000000020000000001000000000078e09d05b4927fd82e31511d32df5261",
            tag: "3a446503b58a19db05a494c126a12bab"),
        Golden(
            suite: .plain, isIncremental: true, size: 16384,
            digest: "de21a06cb5a818743e648d8666be694f8a1156b8ef2d1b82395d982a1e7165e5",
            entry: "010000000002000000000100000000003bea6e639ce0b64a8d8ea217243a634d",
            tag: "abf131329e2cf6f8da5198b4bcf781ac"),
        Golden(
            suite: .aes256GCM, isIncremental: true, hasSalt: true, size: 16384,
            digest: "2314c82d5ffa34fe6038bc50a730ac0eae0b77af28a9bee6306a39ca82da3c61",
            entry: "7f29d9dc5430ced49c9be1afa58e60e852fa2bb0c32dbff5f5fc3772b4e7ed4c",
            tag: "e696487dcd8940abe7b53a392f5ce80b"),
        Golden(
            suite: .plain, isIncremental: true, hasSalt: true, size: 16384,
            digest: "821e5e0a4651c73145fda038fe8853824e2db3a96315e134bbefcf0004875413",
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
                == "1c3da15c581b186a0070276e4b10cdbf7b497de456c7ed07c9d25730a84c8ec4")
        #expect(
            Hex.text(Array(page[4064...]))
                == "5a4b16f9b9405ee425622ac0e7bae157d17d999c10ce8de78cddc37a94bd7c2c")
        var frame = [UInt8](repeating: 0, count: 4096) + WorkedExampleTests.body
        let first = try #require(FrameNumber(0))
        try frame.withUnsafeMutableBytes {
            try keys.cipher(for: header).seal([.data(7)], as: first, isLast: true, in: $0)
        }
        #expect(
            Hex.text(Array(frame[..<32]))
                == "61b84566e6fa87970fc67c71f4e6e44775d8d85b39b22043ce3a258cb1856d7f")
        #expect(
            Hex.text(Array(frame[4032..<4064]))
                == "0000000000000000010001000100000043d0552d7f9b7012bb734a891f95c5b8")
        #expect(
            Hex.text(Array(frame[4064..<4096]))
                == "89c6860c3f55d209e4754e0df995aebf00ec828632dafa0712f1317ac34a3f12")
        #expect(Hex.text(Array(frame[4096..<4112])) == "7f5fdd2e936c4ac4bc097fd02202e035")
        #expect(
            Hex.text(try SHA256.hash(page + frame))
                == "24543a71f2d8accc19827922ead8ea72b7f32d139fda295b9f20f5ac7f04d16b")
    }
}
