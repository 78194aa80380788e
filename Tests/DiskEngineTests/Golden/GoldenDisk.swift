import ChunkStore
import CryptoPrimitives
import DiskFormat
import Foundation
import HostPrograms
import KeyManagement
import LocalStore

@testable import DiskEngine

/// What a golden store holds: `expected.json` beside its archive.
struct GoldenExpectation: Codable {
    struct Content: Codable, Equatable {
        let size: UInt64
        /// Of all of it, holes as zeros.
        let sha256: String
        let isEncrypted: Bool
    }

    struct Sealed: Codable, Equatable {
        let snapshot: String
        /// nil: a full one.
        let base: String?
        let sha256: String
    }

    let account: String
    let region: String
    /// By id: as each attaches, what is in its log and a pending size included.
    var disks: [String: Content] = [:]
    var snapshots: [String: Content] = [:]
    /// By the file's name in `sealed`.
    var sealed: [String: Sealed] = [:]
}

/// A copy of a golden store in a folder of its own, which goes with the value: `store`, `keystore`
/// (the keystore and its key file: test material, known to everybody), `anchor`, `sealed`.
final class GoldenDisk {
    let folder: String
    let expected: GoldenExpectation
    let anchor: InMemoryAnchor
    let keys: MeteredKeys

    /// `Tests/GoldenDisks` of this checkout.
    static let golden = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("GoldenDisks").path

    init(version: String) throws {
        let source = "\(Self.golden)/\(version)"
        folder = NSTemporaryDirectory() + "/sealdisk-golden-\(Foundation.UUID())"
        try Self.makeFolder(folder)
        // As ours, readable by nobody else: what a keystore and a store are asked for.
        try Program.succeed(
            "tar", ["--no-same-owner", "-xpzf", "\(source)/store.tar.gz", "-C", folder])
        expected = try JSONDecoder().decode(
            GoldenExpectation.self, from: Data(Self.contents("\(source)/expected.json")))
        anchor = InMemoryAnchor(try Self.contents("\(folder)/anchor"))
        keys = MeteredKeys(
            EmbeddedKMS(
                path: "\(folder)/keystore/keystore.json", account: expected.account,
                region: expected.region, unlocker: .keyFile("\(folder)/keystore/key-file")))
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func open() throws -> Store {
        try Store(
            opening: LocalStore(path: "\(folder)/store"), keys: keys, holder: "tests",
            anchor: Anchoring(anchor, isStrict: true), limits: Self.limits)
    }

    func sealedFile(_ name: String) throws -> [UInt8] {
        try Self.contents("\(folder)/sealed/\(name)")
    }

    /// The smallest chunks there are.
    static var limits: Limits {
        var limits = Limits()
        limits.slotsPerChunk = 8
        limits.mapMemory = 4 << 20
        limits.reserveBytes = 1 << 20
        return limits
    }

    static func contents(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    static func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }
}

extension GoldenExpectation.Content {
    init(_ disk: Disk) throws {
        self.init(
            size: disk.size, sha256: Hex.text(try SHA256.hash(disk.bytes())),
            isEncrypted: disk.isEncrypted)
    }

    init(_ id: SnapshotID, in store: Store) throws {
        let reader = try store.openSnapshot(id)
        defer { reader.close() }
        self.init(
            size: reader.size, sha256: Hex.text(try SHA256.hash(reader.bytes())),
            isEncrypted: try store.snapshot(id).isEncrypted)
    }
}

extension Store {
    /// The sealed file that a golden one tells of, as it is made now.
    func sealed(_ golden: GoldenExpectation.Sealed) throws -> [UInt8] {
        let id = SnapshotID(golden.snapshot)!  // from a golden store, which never changes
        guard let base = golden.base else {
            let reader = try openSealedSnapshot(id)
            defer { reader.close() }
            return try reader.bytes()
        }
        let reader = try openSealedDifference(of: id, since: SnapshotID(base)!)  // likewise
        defer { reader.close() }
        var file = [UInt8](repeating: 0, count: 1 << 22)
        var length = 0
        while true {
            let count = try file.withUnsafeMutableBytes { buffer in
                try reader.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[length...]),
                    at: UInt64(length))
            }
            if count == 0 { return Array(file[..<length]) }
            length += count
        }
    }
}
