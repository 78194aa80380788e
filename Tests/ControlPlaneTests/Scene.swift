import ChunkStore
import CryptoPrimitives
import DiskEngine
import DiskFormat
import KeyManagement
import Testing

@testable import ControlPlane

/// An account with some of everything, so that every action has something to do. Made once, at
/// rest; each fixture over it begins with the same ids and contents.
///
/// Disks: `data` (encrypted, at the host, with snapshots `s` and `t`), `free` (plain), `sealed`
/// (encrypted), `still` (encrypted, with snapshot `u`), `plain` (with snapshot `v`), `shared`
/// (shared storage, at `web`), `w1` (encrypted) and `w2` (at `web`, and `w1` goes with it).
/// Instances `web` and `other`, images `gold` (of `t`) and `open` (of `v`), a policy `p` for
/// `data`, and an import that was begun and not finished.
struct Scene {
    /// A Monday, 2026-11-23T10:30:00Z.
    static let time: Int64 = 1_795_429_800
    static let size: UInt64 = 128 << 10

    let files: MemoryStore
    let keys = TestKeys(isActivated: true)
    /// The id of the snapshot whose import was not finished.
    let importing: String
    /// Every id there is.
    let ids: Set<String>

    init() throws {
        let files = MemoryStore()
        _ = try Store.create(in: files, account: "account", region: "region")
        let fixture = try Fixture(over: files, keys: keys, time: Self.time)
        for disk in ["data", "sealed", "still"] {
            _ = try fixture.disk(disk, encrypted: true, size: "128KiB")
        }
        for disk in ["free", "plain"] { _ = try fixture.disk(disk, size: "128KiB") }
        try fixture.done("CreateDisk DiskName=shared Size=20 DiskCategory=san_ssd")
        for name in ["web", "other"] { try fixture.done("CreateInstance InstanceName=\(name)") }
        for (index, disk) in ["w1", "w2"].enumerated() {
            try fixture.done(
                "CreateDisk DiskName=\(disk) Size=128KiB Encrypted=\(index == 0)"
                    + " DeleteWithInstance=\(index == 0)")
        }
        for (index, disk) in try fixture.plane.disks().enumerated() {
            try fixture.store.attach(disk.summary.id)
            try fixture.fill(disk.name, with: UInt8(index + 1))
        }
        for (disk, snapshot) in [("data", "s"), ("data", "t"), ("still", "u"), ("plain", "v")] {
            try fixture.done("CreateSnapshot DiskId=\(disk) SnapshotName=\(snapshot)")
            try fixture.fill(disk, with: snapshot.utf8.first ?? 0)
        }
        for disk in try fixture.plane.disks() { try fixture.store.detach(disk.summary.id) }
        for disk in ["w1", "w2", "shared"] {
            try fixture.done("AttachDisk DiskId=\(disk) InstanceId=web")
        }
        try fixture.done("CreateImage ImageName=gold SnapshotId=t")
        try fixture.done("CreateImage ImageName=open SnapshotId=v")
        try fixture.done(
            "CreateAutoSnapshotPolicy autoSnapshotPolicyName=p timePoints=1 repeatWeekdays=1")
        try fixture.done("ApplyAutoSnapshotPolicy autoSnapshotPolicyId=p diskIds=data")
        importing = try fixture.beginImport()
        ids = Set(try fixture.describeAll().text.ids)
        try fixture.store.close()
        self.files = files
    }

    /// The folder of the lineage that a file belongs to.
    private static func folder(_ name: String) -> String? {
        let parts = name.split(separator: "/")
        return parts.first == "lineages" ? parts.prefix(2).joined(separator: "/") : nil
    }

    /// The scene opened as by a mount: `data`, `w1`, `w2` and `shared` are attached.
    func open() throws -> Fixture {
        let fixture = try Fixture(over: files.copy(), keys: keys, time: Self.time)
        for disk in ["data", "w1", "w2", "shared"] {
            try fixture.done("AttachDisk DiskId=\(disk)")
        }
        return fixture
    }

    /// What is described, with ids that came later by their order alone.
    func live(_ fixture: Fixture) throws -> SceneState {
        SceneState(try fixture.describeAll().text, known: ids)
    }

    /// What the next mount finds after a power cut at this moment: descriptions, and every byte of
    /// every disk and snapshot. Records what a check of the store finds afterwards.
    func afterPowerCut(_ fixture: Fixture, _ what: String) throws -> SceneState {
        let left = fixture.files.copy()
        left.crash()
        let next = try Fixture(over: left, keys: keys, time: Self.time)
        var lines = [try next.describeAll().text]
        let disks = try next.plane.disks()
        for disk in disks {
            let open = try next.store.attach(disk.summary.id)
            lines.append("\(disk.summary.id) \(open.size) \(open.storedBytes)")
            if open.size <= 1 << 20 { lines.append(try open.digest()) }
        }
        for snapshot in try next.plane.snapshots() {
            // A snapshot is read where a disk keeps its lineage's key in memory.
            let isOpenable = disks.contains { $0.summary.lineage == snapshot.summary.lineage }
            guard isOpenable else { continue }
            let open = try next.store.openSnapshot(snapshot.summary.id)
            lines.append("\(snapshot.summary.id) \(open.size) \(try open.digest())")
            open.close()
        }
        for disk in disks { try next.store.detach(disk.summary.id) }
        // What of an import came in stays until it goes on or is given up.
        let owned = Set(
            disks.map(\.summary.lineage) + next.store.imports().map(\.lineage)
                + (try next.plane.snapshots().map(\.summary.lineage))
        ).map { StoreLayout.lineage($0) }
        try next.store.close()
        let report = try StoreCheck(left, survey: left, keys: keys).run()
        let isOwned = report.findings.allSatisfy { finding in
            // Only the import is not finished.
            finding.severity == .note && finding.cause.contains(importing)
        }
        #expect(isOwned, "\(what): \(report.findings)")
        #expect(Set(left.names.compactMap(Self.folder)).subtracting(owned) == [], "\(what)")
        return SceneState(lines.joined(separator: "\n"), known: ids)
    }
}

/// A description of all there is, to be compared; it tells where two differ.
struct SceneState: Equatable, CustomStringConvertible {
    let lines: [String]

    init(_ text: String, known: Set<String>) {
        var names: [String: String] = [:]
        var shown = text
        for id in text.ids where !known.contains(id) && names[id] == nil {
            names[id] = "\(id.prefix { $0 != "-" })-new\(names.count + 1)"
        }
        for (id, name) in names { shown = shown.replacing(id, with: name) }
        shown = shown.replacing(/"Lineage":"[0-9a-f]{32}"/, with: "\"Lineage\":\"\"")
        lines = shown.replacing(/[,\n]/, with: "\n").split(separator: "\n").map(String.init)
    }

    var description: String { lines.joined(separator: "\n") }

    /// What this has and the other has not, and the reverse.
    func difference(from other: SceneState) -> String {
        let changes = lines.difference(from: other.lines)
        return changes.map {
            switch $0 {
            case .insert(_, let line, _): "+\(line)"
            case .remove(_, let line, _): "-\(line)"
            }
        }.joined(separator: " ")
    }
}

extension String {
    /// Ids of resources in the order in which they appear.
    fileprivate var ids: [String] {
        matches(of: /\b[a-z]{1,2}-[0-9a-z]{20}\b/).map { String($0.output) }
    }
}

extension Fixture {
    /// Writes an attached disk of `Scene.size` full of one byte, durably.
    func fill(_ name: String, with byte: UInt8) throws {
        let disk = try #require(store.attached(try plane.disk(name).summary.id))
        try [UInt8](repeating: byte, count: Int(Scene.size)).withUnsafeBytes {
            try disk.write($0, at: 0)
        }
        try disk.flush()
    }

    /// All that the account has, as the API describes it; what a mount has found out or opened
    /// does not count.
    func describeAll() throws -> JSON {
        let requests = [
            "DescribeDisks", "DescribeSnapshots", "DescribeInstances", "DescribeImages",
            "DescribeAutoSnapshotPolicyEx",
        ]
        let ofTheMount: Set = ["Verified", "StoredBytes", "Open", "Openable"]
        return .array(try requests.map { .object(try done($0)).without(ofTheMount) })
    }

    /// Exports a snapshot of a disk that is then deleted, takes the half of it in again, and gives
    /// the snapshot's id.
    fileprivate func beginImport() throws -> String {
        _ = try disk("gone", encrypted: true, size: "128KiB")
        try done("AttachDisk DiskId=gone")
        try fill("gone", with: 0x55)
        try done("CreateSnapshot DiskId=gone SnapshotName=gone")
        let id = try plane.snapshot("gone").summary.id
        var file = [UInt8](repeating: 0, count: 1 << 20)
        let reader = try store.openSealedSnapshot(id)
        let count = try file.withUnsafeMutableBytes { try reader.read(into: $0, at: 0) }
        reader.close()
        for request in ["DetachDisk DiskId", "DeleteDisk DiskId", "DeleteSnapshot SnapshotId"] {
            try done("\(request)=gone")
        }
        var rest = file[..<(count / 2)]
        let reply = plane.importSnapshot(
            reading: { buffer in
                let piece = rest.prefix(buffer.count)
                buffer.copyBytes(from: piece)
                rest = rest.dropFirst(piece.count)
                return piece.count
            }, readsToEnd: true)
        #expect(!reply.isSuccess && store.imports().map(\.id) == [id], "\(reply.json)")
        return id.text
    }
}

extension Disk {
    /// What tells its content from another.
    fileprivate func digest() throws -> String {
        var bytes = [UInt8](repeating: 0, count: Int(size))
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: 0) }
        return Hex.text(try SHA256.hash(bytes))
    }
}

extension SnapshotReader {
    fileprivate func digest() throws -> String {
        var bytes = [UInt8](repeating: 0, count: Int(size))
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: 0) }
        return Hex.text(try SHA256.hash(bytes))
    }
}

extension JSON {
    /// This without the members of those names, at any depth.
    fileprivate func without(_ names: Set<String>) -> JSON {
        switch self {
        case .array(let values): return .array(values.map { $0.without(names) })
        case .object(let object):
            var left: JSONObject = [:]
            for member in object.members where !names.contains(member.name) {
                left.append(member.name, member.value.without(names))
            }
            return .object(left)
        default: return self
        }
    }
}
