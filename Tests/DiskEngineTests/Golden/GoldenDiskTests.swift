import ChunkStore
import CryptoPrimitives
import DiskFormat
import Foundation
import HostPrograms
import Testing

@testable import DiskEngine

/// Golden stores: written once, when their version of the format was made, and read by every
/// program since. They are never changed and never made anew: a test that fails here has found a
/// program that does not read its users' disks any more.
///
/// `Tests/GoldenDisks/VERSION` has the store as it was left by a kill, with its keystore, its
/// freshness anchor and sealed snapshots (`store.tar.gz`), and what everything in it holds
/// (`expected.json`). The keys are test material. Another version gets another folder: every run
/// makes both files, and their parts, and `SEALDISK_MAKE_GOLDEN=folder` keeps them in that folder.
@Suite struct GoldenDiskTests {
    static let versions = ["v1"]

    /// A folder of Tests/GoldenDisks that no test reads would prove nothing.
    @Test func everyVersionIsRead() throws {
        let found = try FileManager.default.contentsOfDirectory(atPath: GoldenDisk.golden)
        #expect(found.filter { $0.hasPrefix("v") }.sorted() == Self.versions)
    }

    @Test(arguments: versions) func disksAndSnapshotsHoldWhatTheyHeld(version: String) throws {
        let golden = try GoldenDisk(version: version)
        let store = try golden.open()
        #expect(try store.disks().map(\.id.text).sorted() == golden.expected.disks.keys.sorted())
        for (id, content) in golden.expected.disks {
            let disk = try store.attach(try #require(DiskID(id)))
            #expect(try GoldenExpectation.Content(disk) == content, "disk \(id)")
        }
        let snapshots = try store.snapshots().map(\.id.text).sorted()
        #expect(snapshots == golden.expected.snapshots.keys.sorted())
        for (id, content) in golden.expected.snapshots {
            let found = try GoldenExpectation.Content(try #require(SnapshotID(id)), in: store)
            #expect(found == content, "snapshot \(id)")
        }
        #expect(store.damage().isEmpty)
        try store.close()
    }

    /// As files that were exported then, byte for byte.
    @Test(arguments: versions) func sealedFilesAreTheSame(version: String) throws {
        let golden = try GoldenDisk(version: version)
        let store = try golden.open()
        for id in golden.expected.disks.keys { _ = try store.attach(try #require(DiskID(id))) }
        #expect(golden.expected.sealed.count == 3)
        for (name, sealed) in golden.expected.sealed {
            let file = try golden.sealedFile(name)
            #expect(Hex.text(try SHA256.hash(file)) == sealed.sha256, "\(name)")
            #expect(try store.sealed(sealed) == file, "\(name)")
        }
        try store.close()
    }

    /// The sealed files come into an empty store of the same KMS, and are what the snapshots were.
    @Test(arguments: versions) func sealedFilesComeIn(version: String) throws {
        let golden = try GoldenDisk(version: version)
        let files = MemoryStore()
        try Store.create(
            in: files, account: golden.expected.account, region: golden.expected.region)
        let store = try Store(
            opening: files, keys: golden.keys, holder: "tests", limits: GoldenDisk.limits)
        // Full ones first: the others need their bases.
        let inOrder = golden.expected.sealed.sorted {
            ($0.value.base == nil ? 0 : 1, $0.key) < ($1.value.base == nil ? 0 : 1, $1.key)
        }
        for (name, sealed) in inOrder {
            let id = try store.importing(golden.sealedFile(name)).id
            #expect(id.text == sealed.snapshot)
            _ = try store.attach(store.createDisk(from: id, size: nil, attributes: [:]).id)
            let content = try GoldenExpectation.Content(id, in: store)
            #expect(content == golden.expected.snapshots[id.text], "\(name)")
        }
        try store.close()
    }

    @Test(arguments: versions) func itCanBeWrittenAndKeepsWhatItHas(version: String) throws {
        let golden = try GoldenDisk(version: version)
        let bytes = pattern(3 * 4096, seed: 99)
        var hashes: [String: GoldenExpectation.Content] = [:]
        var store = try golden.open()
        for id in golden.expected.disks.keys {
            let disk = try store.attach(try #require(DiskID(id)))
            try disk.put(bytes, at: 60 * 4096)
            try disk.flush()
            hashes[id] = try .init(disk)
            #expect(hashes[id] != golden.expected.disks[id])
        }
        try store.close()
        store = try golden.open()
        for (id, content) in hashes {
            let disk = try store.attach(try #require(DiskID(id)))
            #expect(try disk.bytes(60 * 4096, bytes.count) == bytes)
            #expect(try GoldenExpectation.Content(disk) == content)
        }
        for (id, content) in golden.expected.snapshots {
            #expect(
                try GoldenExpectation.Content(try #require(SnapshotID(id)), in: store) == content)
        }
        try store.close()
    }

    /// A reader that shares no code with this program, written from the format's document alone.
    /// It needs the host's Python with its cryptography package, which `Tests/run` installs.
    @Test(arguments: versions)
    func anIndependentReaderReadsTheSame(version: String) throws {
        let golden = try GoldenDisk(version: version)
        try readIndependently(
            golden.folder, expecting: "\(GoldenDisk.golden)/\(version)/expected.json")
    }

    /// So the document is true of this program, too, and a version can be made any day.
    @Test func whatIsMadeNowIsReadByTheIndependentReader() throws {
        let lasting = ProcessInfo.processInfo.environment["SEALDISK_MAKE_GOLDEN"]
        let folder = lasting ?? NSTemporaryDirectory() + "/sealdisk-golden-\(Foundation.UUID())"
        defer { if lasting == nil { try? FileManager.default.removeItem(atPath: folder) } }
        try GoldenMaker(folder: folder).make()
        try readIndependently(folder, expecting: "\(folder)/expected.json")
    }

    private func readIndependently(_ folder: String, expecting expected: String) throws {
        let output = try Program.succeed(
            "python3", ["\(GoldenDisk.golden)/read.py", folder, expected])
        // It is no proof without the kinds of slots that are rare.
        for kind in ["data", "map page", "discard", "checkpoint", "void"] {
            #expect(output.contains("\(kind): "), "\(output)")
        }
    }
}
