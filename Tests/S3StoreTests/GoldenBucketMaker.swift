import ChunkStore
import CryptoPrimitives
import Foundation
import HostPrograms
import Testing

@testable import S3Store

/// What a golden bucket holds: `expected.json` beside its archive. Hashes are SHA-256.
struct GoldenBucketExpectation: Codable, Equatable {
    struct Chunk: Codable, Equatable {
        let length: UInt64
        /// Of all of it, holes as zeros.
        let sha256: String
    }

    var chunks: [String: Chunk] = [:]
    /// Hashes of files that are no chunks, by name.
    var objects: [String: String] = [:]
}

/// Makes a golden bucket: everything that the layout has, in as few pages as that takes.
///
/// `FOLDER/bucket` has the bucket's objects as files, `FOLDER/bucket.tar.gz` the same, and
/// `FOLDER/expected.json` what they hold, of which the maker keeps account by itself.
final class GoldenBucketMaker {
    private let folder: String
    private let bucket = MemoryObjects()
    private var expected = GoldenBucketExpectation()
    private var contents: [ObjectName: [UInt8]] = [:]

    init(folder: String) { self.folder = folder }

    func make() throws {
        let first = try Host(bucket)
        let lock = try first.store.lockExclusively(holder: "golden 1")
        try objects(of: first.store)
        try chunks(of: first.store)
        first.store.uploads.abandon()
        // It is gone without a word, and another takes the store: each object is put anew.
        let second = try Host(bucket)
        let next = try second.store.lockExclusively(holder: "golden 2", fencing: true)
        try replace("lineages/a/disks/d-1.manifest", pattern(300, seed: 9), in: second.store)
        try remove("lineages/a/disks/d-2.manifest", from: second.store)
        try write(pages: 10..<12, of: try chunk(1), seed: 10, to: second.store)
        second.store.uploads.abandon()
        try leaveWhatDoesNotCount()
        try write()
        withExtendedLifetime((lock, next)) {}
    }

    private func objects(of store: S3Store) throws {
        try replace("store.json", Array("{\"a\":1}\n".utf8), in: store)
        try replace("lineages/a/lineage.manifest", pattern(700, seed: 1), in: store)
        try replace("lineages/a/lineage.manifest", pattern(900, seed: 2), in: store)
        try replace("lineages/a/disks/d-1.manifest", pattern(200, seed: 3), in: store)
        try replace("lineages/a/disks/d-2.manifest", [], in: store)
        try replace("lineages/a/snapshots/s-1.manifest", pattern(100, seed: 4), in: store)
        try remove("lineages/a/snapshots/s-1.manifest", from: store)
    }

    /// One in two data objects and its index, one in its index alone, one that was put anew without
    /// what was dead, one of which nothing was written but its beginning, and one that was removed.
    private func chunks(of store: S3Store) throws {
        for number in 1...5 {
            let name = try chunk(number)
            let beginning = pattern(100, seed: UInt64(20 + number))
            _ = try store.createFile(name, length: chunkLength, beginning: beginning)
            contents[name] =
                beginning + [UInt8](repeating: 0, count: Int(chunkLength) - beginning.count)
        }
        try write(pages: 1..<40, of: try chunk(1), seed: 31, to: store)
        try write(pages: 30..<60, of: try chunk(1), seed: 32, to: store)
        try write(pages: 63..<64, of: try chunk(1), seed: 33, to: store)
        try write(pages: 5..<7, of: try chunk(2), seed: 34, to: store)
        try write(pages: 1..<64, of: try chunk(3), seed: 35, to: store)
        try putAnew(try chunk(3), without: 8..<50, in: store)
        try store.remove(try chunk(5))
        contents[try chunk(5)] = nil
    }

    private func write(
        pages: Range<Int>, of name: ObjectName, seed: UInt64, to store: S3Store
    ) throws {
        let bytes = pattern(pages.count * 4096, seed: seed)
        let start = pages.lowerBound * 4096
        let file = try store.openFile(name)
        try bytes.withUnsafeBytes { try file.write($0, at: UInt64(start)) }
        try store.uploads.publishAll(below: nil)
        contents[name]?.replaceSubrange(start..<start + bytes.count, with: bytes)
    }

    private func putAnew(
        _ name: ObjectName, without pages: Range<Int>, in store: S3Store
    ) throws {
        let start = pages.lowerBound * 4096
        try store.openFile(name).deallocate(at: UInt64(start), length: UInt64(pages.count * 4096))
        let opened = try #require(store.uploads.open(name))
        try store.uploads.publish(opened, anew: true)
        store.uploads.closed(opened)
        contents[name]?.replaceSubrange(
            start..<start + pages.count * 4096,
            with: [UInt8](repeating: 0, count: pages.count * 4096))
    }

    private func replace(_ path: String, _ bytes: [UInt8], in store: S3Store) throws {
        try store.replaceObject(try name(path), with: bytes)
        expected.objects[path] = Hex.text(try SHA256.hash(bytes))
    }

    private func remove(_ path: String, from store: S3Store) throws {
        try store.remove(try name(path))
        expected.objects[path] = nil
    }

    /// A put of the first host that came when the second had the store; data of an upload that was
    /// never finished; what is left of a trial of the server.
    private func leaveWhatDoesNotCount() throws {
        let late = ObjectEnvelope(epoch: 1, mark: pattern(16, seed: 40))
        try put("objects/lineages/a/disks/d-3.manifest", late.encoded(with: [1, 2, 3]))
        try put(
            "data/\(try chunk(1))/0000000000000063-00000000000000ff", pattern(5000, seed: 41))
        try put("proof-0123456789abcdef", [1])
    }

    private func put(_ key: String, _ bytes: [UInt8]) throws {
        _ = try bytes.withUnsafeBytes { try bucket.put(ObjectKey(key), $0, if: .absent) }
    }

    private func write() throws {
        for (name, bytes) in contents {
            expected.chunks[name.path] = .init(
                length: UInt64(bytes.count), sha256: Hex.text(try SHA256.hash(bytes)))
        }
        for key in bucket.keys {
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            let part = try bytes.withUnsafeMutableBytes {
                try bucket.get(ObjectKey(key), from: 0, into: $0)
            }
            try #require(part.count < bytes.count)
            try GoldenBucket.write(Array(bytes[..<part.count]), to: "\(folder)/bucket/\(key)")
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try GoldenBucket.write(
            [UInt8](encoder.encode(expected)) + [10], to: "\(folder)/expected.json")
        try Program.succeed(
            "tar",
            [
                "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--mode=u=rwX,go=rX",
                "-czf", "\(folder)/bucket.tar.gz", "-C", folder, "bucket",
            ])
    }

    /// Bytes that no other seed gives and that a file holds in few: lines of a text.
    private func pattern(_ count: Int, seed: UInt64) -> [UInt8] {
        let line = Array("golden bucket, part \(seed)\n".utf8)
        return (0..<count).map { $0 % 4096 < 8 ? UInt8($0 / 4096 & 255) : line[$0 % line.count] }
    }
}
