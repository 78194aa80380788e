import CryptoPrimitives
import Testing

@testable import DiskFormat

/// The worked example of OnDiskFormat.md, byte for byte. Its values were computed by a script that
/// shares no code with this program (AES-GCM, HMAC and HKDF of Python); whoever changes one of them
/// here changes the format.
@Suite("The worked example of the format's document") struct WorkedExampleTests {
    static let lineage = LineageID(bytes: Array(0x10...0x1f))
    static let salt: [UInt8] = Array(0x20...0x3f)
    static let chunk = ChunkNumber(lane: 1, sequence: 1)
    static let body = [UInt8](repeating: 0xaa, count: Format.blockSize)

    static func keys() throws -> LineageKeys {
        let dataKey = try SecretBytes(count: LineageKeys.keySize) { bytes in
            bytes.copyBytes(from: 0x00...0x1f)
        }
        return try LineageKeys(lineage: lineage, suite: .aes256GCM, epoch: 1, dataKey: dataKey)
    }

    /// Block 7 in slot 0, as a store gets it.
    static func sealBlock7(with keys: LineageKeys) throws -> SealedRun {
        let run = SealedRun(capacity: 1)
        try body.withUnsafeBytes { bytes in
            try keys.cipher(forChunk: chunk, salt: salt).seal(
                run, at: 0, count: 1, describe: { _ in .data(7, durableSlots: 0) },
                body: { _ in bytes.baseAddress! })  // 4096 bytes
        }
        return run
    }

    @Test func keysOfOnePurposeEach() throws {
        #expect(
            Hex.text(try Self.keys().keyCheck)
                == "3d0fbc2d576f3eb5461ac299ba75d2eea404241bef3514aa62577227043ace9e")
    }

    @Test func sealedSlot() throws {
        let run = try Self.sealBlock7(with: Self.keys())
        #expect(
            Hex.text(run.entryBytes)
                == "bb33ae88a014095a7620b51bef54274a6f72a19d216681137c1ab99fce444dd9")
        #expect(Hex.text(run.bodyBytes.prefix(16)) == "f758ea973916d39d439cb451fa4d262c")
        #expect(
            Hex.text(try SHA256.hash(Array(run.bodyBytes)))
                == "a6cc2ea93a9e4027ae8c90d44cf2a2ce733f29bb4f3be253d5115873d6361c7d")
    }

    @Test func voidedSlot() throws {
        let run = SealedRun(capacity: 1)
        try Self.keys().cipher(forChunk: Self.chunk, salt: Self.salt).void(run, at: 0, count: 1)
        #expect(
            Hex.text(run.entryBytes)
                == "df39fbf81a262681a523a8b01c480a1ab4ffcfda82a6be988043e6de67ef4101")
        #expect(run.bodyBytes.isEmpty)
    }

    @Test func plainSlot() throws {
        let run = try Self.sealBlock7(with: .plain(Self.lineage))
        #expect(
            Hex.text(run.entryBytes)
                == "0100000000070000000001000000000046dd060934390e5b01db64c361f8b6e1")
        #expect(run.bodyBytes.elementsEqual(Self.body))
    }

    @Test func chunkHeader() throws {
        let header = ChunkHeader(
            suite: .aes256GCM, layout: try #require(ChunkLayout(slotCount: 8192)),
            lineage: Self.lineage, number: Self.chunk, session: 1, salt: Self.salt,
            predecessor: nil, durable: nil)
        let bytes = try header.sealed(with: Self.keys()).bytes
        #expect(bytes.count == 4096)
        #expect(
            Hex.text(bytes[..<84])
                == "5345414c4449534b020001000010000000200000101112131415161718191a1b1c1d1e1f"
                + "01000000010000000100000000000000"
                + "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f")
        #expect(bytes[84..<480].allSatisfy { $0 == 0 })
        #expect(
            Hex.text(bytes[480..<512])
                == "55af4afebeaaf7f6c3edf7512209165915f6eb13d6999438deaa7ac67806e31c")
        #expect(bytes[512...].allSatisfy { $0 == 0 })
    }

    @Test func snapshotManifest() throws {
        let id = try #require(SnapshotID("s-00000000000000000002"))
        let manifest = SnapshotManifest(
            id: id, disk: try #require(DiskID("d-00000000000000000001")), created: 0,
            state: .empty(size: 4096), salt: HexBytes(Self.salt),
            attributes: [:])
        let text = String(decoding: try manifest.sealed(with: Self.keys()).bytes, as: UTF8.self)
        #expect(
            text
                == #"""
                sealdisk-manifest 2 snapshot s-00000000000000000002 \#
                101112131415161718191a1b1c1d1e1f 1
                {"attributes":{},"created":0,"disk":"d-00000000000000000001",\#
                "id":"s-00000000000000000002",\#
                "salt":"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",\#
                "state":{"root":"0000000000000000","size":4096,"storedBlocks":0}}
                hmac-sha-256 cec33e5ed990869cace8365dd409ad5a910e3f33dfef627be25bfb65d6a1e610

                """#)
    }
}
