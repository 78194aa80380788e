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
                == "eed625417768e7ff8ede894d967d397ea3abb64463a9fbc5d173b47402274902")
    }

    @Test func sealedSlot() throws {
        let run = try Self.sealBlock7(with: Self.keys())
        #expect(
            Hex.text(run.entryBytes)
                == "233cf0151b74f2b1ef9ec95b23c666e14c6d3c970a04607d4c40644b44bf8618")
        #expect(Hex.text(run.bodyBytes.prefix(16)) == "8f45e0b85a7efffc6d31ec4ddd172604")
        #expect(
            Hex.text(try SHA256.hash(Array(run.bodyBytes)))
                == "673eaf733091e644bd9db8057a8ce1d53384c9ead03a0a7c34b6469638b0f6c8")
    }

    @Test func voidedSlot() throws {
        let run = SealedRun(capacity: 1)
        try Self.keys().cipher(forChunk: Self.chunk, salt: Self.salt).void(run, at: 0, count: 1)
        #expect(
            Hex.text(run.entryBytes)
                == "ce6b4154dea07c99b60f690265f8d22144d395b6ee392651bdb526e355b7cbac")
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
                == "5345414c4449534b010001000010000000200000101112131415161718191a1b1c1d1e1f"
                + "01000000010000000100000000000000"
                + "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f")
        #expect(bytes[84..<480].allSatisfy { $0 == 0 })
        #expect(
            Hex.text(bytes[480..<512])
                == "0dca278b877bd63a5401896d186619407715399f398917318a2ce67efea936dc")
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
                sealdisk-manifest 1 snapshot s-00000000000000000002 \#
                101112131415161718191a1b1c1d1e1f 1
                {"attributes":{},"created":0,"disk":"d-00000000000000000001",\#
                "id":"s-00000000000000000002",\#
                "salt":"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",\#
                "state":{"root":"0000000000000000","size":4096,"storedBlocks":0}}
                hmac-sha-256 19bff27c7e8a43b1b1eae322a9cf700531691d16ab2287e0da549389e20a0bcb

                """#)
    }
}
