import ChunkStore
import DiskFormat
import Foundation
import Glibc
import HostPrograms
import KeyManagement
import LocalStore
import Testing

@testable import DiskEngine

/// Trees in a store that no store makes: deep, with very many names, with sizes beyond belief. The
/// store opens in bounded time and memory, and serves what it can. Each in a process of its own,
/// whose memory is measured.
@Suite(.serialized) struct HostileTreeTests {
    @Test func thirtyThousandNestedFolders() async {
        await #expect(processExitsWith: .success) {
            let tree = try HostileTree()
            defer { tree.remove() }
            for (place, depth) in [
                ("", 30_000), ("/disks", 1000), ("/snapshots", 1000), ("/chunks/0001", 1000),
            ] {
                try tree.nest(depth, in: "/lineages/\(tree.lineage)" + place)
            }
            try tree.use()
            try tree.delete()
            #expect(HostileTree.peakMebibytes() < 300)
        }
    }

    @Test func aHundredThousandNames() async {
        await #expect(processExitsWith: .success) {
            let tree = try HostileTree()
            defer { tree.remove() }
            let own = "/lineages/\(tree.lineage)"
            for (place, suffix) in [
                ("", ""), ("/disks", ".manifest"), ("/snapshots", ".manifest"),
                ("/chunks/0001/000000", ".chunk"),
            ] {
                try tree.fill(100_000 / 4, in: own + place, ending: suffix)
            }
            try tree.use()
            try tree.delete()
            #expect(HostileTree.peakMebibytes() < 300)
        }
    }

    /// Manifests, marks and chunks of a tebibyte that is a hole.
    @Test func filesOfATebibyte() async {
        await #expect(processExitsWith: .success) {
            let tree = try HostileTree()
            defer { tree.remove() }
            let own = "/lineages/\(tree.lineage)"
            for name in try FileManager.default.subpathsOfDirectory(atPath: tree.store + own) {
                let path = tree.store + own + "/" + name
                var isFolder: ObjCBool = false
                _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
                if !isFolder.boolValue { #expect(truncate(path, 1 << 40) == 0) }
            }
            try tree.use()
            try tree.delete()
            #expect(HostileTree.peakMebibytes() < 300)
        }
    }
}

/// A store on the host with a lineage to be attacked and one that is served all the same.
private struct HostileTree {
    let store: String
    let lineage: LineageID
    private let disk: DiskID
    private let other: DiskID
    private let keys = InMemoryKMS()
    private let content = pattern(40 * 4096, seed: 1)

    init() throws {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        store = base + "/tree-" + UUID().uuidString
        let files = try LocalStore.create(at: store)
        try Store.create(in: files, account: "a", region: "r")
        let opened = try Store(
            opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
        let content = content
        func make() throws -> DiskSummary {
            let made = try opened.createDisk(encrypted: true, size: 1 << 20, attributes: [:])
            try opened.attach(made.id).put(content, at: 0)
            return made
        }
        let (first, second) = (try make(), try make())
        (disk, other, lineage) = (first.id, second.id, first.lineage)
        _ = try opened.createSnapshot(of: first.id, attributes: [:])
        try opened.close()
    }

    /// FileManager takes the whole path of each: not of a tree as deep as these.
    func remove() {
        _ = try? Program.run("rm", ["-rf", store])
    }

    func nest(_ depth: Int, in folder: String) throws {
        var place = Glibc.open(store + folder, O_RDONLY | O_DIRECTORY)
        #expect(place >= 0)
        for _ in 0..<depth {
            #expect(mkdirat(place, "d", 0o700) == 0)
            let next = openat(place, "d", O_RDONLY | O_DIRECTORY)
            close(place)
            place = next
        }
        close(place)
    }

    func fill(_ count: Int, in folder: String, ending suffix: String) throws {
        let place = Glibc.open(store + folder, O_RDONLY | O_DIRECTORY)
        #expect(place >= 0)
        for number in 0..<count {
            let digits = String(number + 100, radix: 16)
            let name = String(repeating: "0", count: 8 - digits.count) + digits + suffix
            let file = openat(place, name, O_CREAT | O_WRONLY, 0o600)
            #expect(file >= 0)
            close(file)
        }
        close(place)
    }

    /// The other disk is served; this one is, or is refused.
    func use() throws {
        let opened = try open()
        #expect(try opened.attach(other).bytes(0, content.count) == content)
        do {
            #expect(try opened.attach(disk).bytes(0, content.count) == content)
        } catch {
            #expect(error is DiskError, "\(error)")
        }
        try? opened.close()
    }

    /// The disk goes, or says why not; the other one stays.
    func delete() throws {
        let opened = try open()
        do {
            for snapshot in try opened.snapshots() { try opened.deleteSnapshot(snapshot.id) }
            try opened.deleteDisk(disk)
        } catch {
            #expect(error is DiskError, "\(error)")
        }
        #expect(try opened.attach(other).bytes(0, content.count) == content)
        try? opened.close()
    }

    private func open() throws -> Store {
        try Store(
            opening: try LocalStore(path: store), keys: keys, holder: "t",
            limits: Harness.smallLimits)
    }

    /// The most memory that this process ever had. (What getrusage(2) says of it begins with its
    /// parent's.)
    static func peakMebibytes() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let number = line?.split(whereSeparator: \.isWhitespace).dropFirst().first
        return number.flatMap { Int($0) }.map { $0 / 1024 } ?? .max
    }
}
