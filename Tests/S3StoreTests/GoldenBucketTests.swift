import ChunkStore
import CryptoPrimitives
import Foundation
import HostPrograms
import Testing

@testable import S3Store

/// A golden bucket and its contents, in a folder of its own, which goes with the value.
final class GoldenBucket {
    let folder: String
    let expected: GoldenBucketExpectation

    /// `Tests/GoldenDisks` of this checkout.
    static let golden = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("GoldenDisks").path

    /// Of an earlier program.
    init(version: String) throws {
        folder = NSTemporaryDirectory() + "/sealdisk-golden-\(UUID())"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        try Program.succeed(
            "tar",
            [
                "--no-same-owner", "-xzf", "\(Self.golden)/\(version)/bucket.tar.gz", "-C", folder,
            ])
        expected = try Self.expectation("\(Self.golden)/\(version)/expected.json")
    }

    /// Made now: in the folder, which stays, or in one that goes.
    init(makingIn lasting: String?) throws {
        folder = lasting ?? NSTemporaryDirectory() + "/sealdisk-golden-\(UUID())"
        isLasting = lasting != nil
        try GoldenBucketMaker(folder: folder).make()
        expected = try Self.expectation("\(folder)/expected.json")
    }

    private var isLasting = false

    deinit { if !isLasting { try? FileManager.default.removeItem(atPath: folder) } }

    /// Its objects.
    func objects() throws -> MemoryObjects {
        let root = URL(fileURLWithPath: folder + "/bucket").resolvingSymlinksInPath()
        let files = try #require(
            FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
        let objects = MemoryObjects()
        for case let file as URL in files where !file.hasDirectoryPath {
            let key = file.resolvingSymlinksInPath().path.dropFirst(root.path.utf8.count + 1)
            let bytes = [UInt8](try Data(contentsOf: file))
            _ = try bytes.withUnsafeBytes {
                try objects.put(ObjectKey(String(key)), $0, if: .absent)
            }
        }
        return objects
    }

    /// Has the reader that shares no code with this program read it; what it printed.
    func readIndependently() throws -> String {
        let expectation = "\(folder)/read.json"
        try Self.write([UInt8](JSONEncoder().encode(expected)), to: expectation)
        return try Program.succeed(
            "python3", ["\(Self.golden)/read_bucket.py", "\(folder)/bucket", expectation])
    }

    private static func expectation(_ path: String) throws -> GoldenBucketExpectation {
        try JSONDecoder().decode(
            GoldenBucketExpectation.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        let url = URL(fileURLWithPath: path)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
    }
}

extension S3Store {
    /// What is below a folder, or in all of the store.
    func contents(below folder: ObjectName? = nil) throws -> GoldenBucketExpectation {
        var found = GoldenBucketExpectation()
        for entry in try survey(folder) {
            let name = try #require(ObjectName((folder.map { "\($0)/" } ?? "") + entry.name))
            switch entry.kind {
            case .folder:
                let inner = try contents(below: name)
                found.chunks.merge(inner.chunks) { $1 }
                found.objects.merge(inner.objects) { $1 }
            case .file where name.path.hasSuffix(".chunk"):
                let file = try openFile(name)
                var bytes = [UInt8](repeating: 0xEE, count: Int(entry.length))
                let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
                #expect(count == bytes.count)
                found.chunks[name.path] = .init(
                    length: entry.length, sha256: Hex.text(try SHA256.hash(bytes)))
            case .file:
                found.objects[name.path] = Hex.text(
                    try SHA256.hash(readObject(name, limit: 1 << 20)))
            default: Issue.record("\(name) is of kind \(entry.kind)")
            }
        }
        return found
    }
}

/// Golden buckets: written once, when their version of the layout was made, and read by every
/// program since, as the golden disks are (`GoldenDiskTests`); never changed, never made anew.
/// `SEALDISK_MAKE_GOLDEN_BUCKET=folder` keeps what the maker makes.
@Suite("S3: golden buckets")
struct GoldenBucketTests {
    static let versions = ["bucket1"]

    @Test func everyVersionIsRead() throws {
        let found = try FileManager.default.contentsOfDirectory(atPath: GoldenBucket.golden)
        #expect(found.filter { $0.hasPrefix("bucket") }.sorted() == Self.versions)
    }

    /// The lease's holder is silent: the store is taken, read and written on.
    @Test(arguments: versions) func itHoldsWhatItHeldAndGoesOn(version: String) throws {
        let golden = try GoldenBucket(version: version)
        let bucket = try golden.objects()
        let host = try Host(bucket)
        let lock = try host.store.lockExclusively(holder: "tests")
        #expect(try host.store.contents() == golden.expected)
        try host.store.openFile(try chunk(1)).fill(7, pages: 3..<4)
        try host.store.openFile(try chunk(2)).fill(8, pages: 3..<40)
        try host.store.replaceObject(try name("lineages/a/lineage.manifest"), with: [1])
        try host.store.uploads.publishAll(below: nil)
        let contents = try host.store.contents()
        #expect(contents.chunks.keys == golden.expected.chunks.keys)
        #expect(contents != golden.expected)
        lock.release()
        let other = try Host(bucket)
        let next = try other.store.lockExclusively(holder: "other")
        #expect(try other.store.contents() == contents)
        next.release()
    }

    /// A reader that shares no code with this program, written from the layout's document alone.
    @Test(arguments: versions) func anIndependentReaderReadsTheSame(version: String) throws {
        try proves(GoldenBucket(version: version).readIndependently())
    }

    @Test func whatIsMadeNowIsReadByTheIndependentReader() throws {
        let folder = ProcessInfo.processInfo.environment["SEALDISK_MAKE_GOLDEN_BUCKET"]
        let made = try GoldenBucket(makingIn: folder)
        try proves(made.readIndependently())
    }

    /// It is no proof without all that a layout has.
    private func proves(_ output: String) {
        for part in [
            "in data objects", "in the index", "put anew", "removed", "below the floor",
            "data that no index names", "proofs",
        ] {
            let count = output.split(separator: "\n").first { $0.hasPrefix(part + ": ") }?
                .dropFirst(part.utf8.count + 2)
            #expect(count.flatMap { Int($0) } ?? 0 > 0, "\(part): \(output)")
        }
    }
}
