import ChunkStore
import DiskFormat
import Foundation
import KeyManagement
import LocalStore
import Testing

@testable import DiskEngine

/// What somebody who may write to the store's folder puts there in place of a file or a folder, or
/// where one will be: nothing outside the store is changed, nobody waits, what is read is right,
/// and the other lineage is served.
@Suite struct PlantedStoreTests {
    enum Kind: String, CaseIterable, Sendable {
        case link, hardLink, pipe, device, folder
    }

    @Test(.timeLimit(.minutes(2)), arguments: Kind.allCases)
    func anythingUnderAnyName(kind: Kind) throws {
        let rig = try PlantedRig()
        for name in rig.names {
            try rig.restore()
            guard try rig.plant(kind, at: name) else { continue }
            let outside = try rig.outsideBytes()
            rig.use("\(kind) as \(name)", isOthersToo: !name.contains("\(rig.lineage)"))
            #expect(try rig.outsideBytes() == outside, "\(kind) as \(name): what lies outside")
        }
    }
}

/// A store on the host with a disk that is attacked and one that is not, and a folder beside it.
private final class PlantedRig {
    let folder: String
    private let keys = InMemoryKMS()
    private let disk: DiskID
    private let other: DiskID
    private let snapshot: SnapshotID
    let lineage: LineageID
    let names: [String]
    private let content = pattern(100 * 4096, seed: 1)

    private var store: String { folder + "/store" }
    private var outside: String { folder + "/outside" }

    init() throws {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        folder = base + "/planted-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        let files = try LocalStore.create(at: folder + "/original")
        try Store.create(in: files, account: "a", region: "r")
        let store = try Store(
            opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
        let content = content
        func make() throws -> DiskSummary {
            let made = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:])
            try store.attach(made.id).put(content, at: 0)
            return made
        }
        let (first, second) = (try make(), try make())
        (disk, other, lineage) = (first.id, second.id, first.lineage)
        snapshot = try store.createSnapshot(of: first.id, attributes: [:]).id
        try store.close()
        let own = "lineages/\(lineage)"
        let all = try FileManager.default.subpathsOfDirectory(atPath: folder + "/original")
        names =
            ["store.json", ".lock", "reserve", "lineages", own]
            + all.filter { $0.hasPrefix(own + "/") }.sorted()
            + ["\(own)/deleted", "\(own)/reclaim", "\(own)/disks/\(disk).pending"]
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// The store as it was made, and outside of it one file that is not ours.
    func restore() throws {
        for path in [store, outside] { try? FileManager.default.removeItem(atPath: path) }
        try FileManager.default.copyItem(atPath: folder + "/original", toPath: store)
        try FileManager.default.createDirectory(
            atPath: outside, withIntermediateDirectories: false)
        try Data("not ours".utf8).write(to: URL(fileURLWithPath: outside + "/victim"))
    }

    /// What was there moves outside; a link leads to it. False if the kind cannot be there.
    func plant(_ kind: Kind, at name: String) throws -> Bool {
        let path = store + "/" + name
        var target = outside + "/victim"
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
            if isFolder.boolValue, kind == .hardLink { return false }
            target = outside + "/moved"
            try FileManager.default.moveItem(atPath: path, toPath: target)
        }
        let made =
            switch kind {
            case .link: symlink(target, path)
            case .hardLink: link(target, path)
            case .pipe: mkfifo(path, 0o600)
            // Major 7 is the loop driver; no device of that number need exist.
            case .device: mknod(path, S_IFBLK | 0o600, 7 << 8 | 200)
            case .folder: mkdir(path, 0o700)
            }
        #expect(made == 0, "\(kind) as \(name)")
        return true
    }

    typealias Kind = PlantedStoreTests.Kind

    func outsideBytes() throws -> [String: Data] {
        var found: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: outside) {
            let path = outside + "/" + name
            found[name] = FileManager.default.contents(atPath: path) ?? Data()
        }
        return found
    }

    /// Everything that is done with a store. `isOthersToo`: it is of the whole store, which need
    /// not open.
    func use(_ what: String, isOthersToo: Bool) {
        func attempt(mayFail: Bool = true, _ body: () throws -> Void) {
            do {
                try body()
            } catch {
                #expect(error is DiskError || error is StoreError, "\(what): \(error)")
                #expect(mayFail, "\(what): \(error)")
            }
        }
        attempt(mayFail: isOthersToo) {
            let store = try Store(
                opening: try LocalStore(path: store), keys: keys, holder: "t",
                limits: Harness.smallLimits)
            defer { try? store.close() }  // what a damaged disk says of its end
            attempt(mayFail: isOthersToo) {
                let bytes = try store.attach(other).bytes(0, content.count)
                #expect(bytes == content, "\(what): the other disk")
            }
            attempt {
                let disk = try store.attach(disk)
                #expect(try disk.bytes(0, content.count) == content, "\(what): the disk")
            }
            attempt {
                let reader = try store.openSnapshot(snapshot)
                defer { reader.close() }
                #expect(
                    try reader.bytes().starts(with: content), "\(what): the snapshot")
            }
            attempt {
                guard let disk = store.attached(disk) else { return }
                try disk.put(pattern(200 * 4096, seed: 3), at: 0)
                try disk.flush()
            }
            attempt { _ = try store.createSnapshot(of: disk, attributes: [:]) }
            attempt { _ = try store.reclaim(lineage) }
            attempt { try store.detach(disk) }
            attempt { try store.resize(disk, to: 2 << 20) }
            attempt {
                for snapshot in try store.snapshots() { try store.deleteSnapshot(snapshot.id) }
            }
            attempt { try store.deleteDisk(disk) }
        }
    }
}
