import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement

@testable import DiskEngine

/// What each block of a disk held at some moment: 0 for a hole, else the number its content has in
/// `AttackContent`.
typealias BlockState = [UInt64]

/// Contents of blocks by number: each begins with its number, and the rest is random.
struct AttackContent: Sendable {
    private(set) var blocks: [[UInt8]] = [[UInt8](repeating: 0, count: 4096)]

    mutating func make() -> UInt64 {
        let number = UInt64(blocks.count)
        let head = withUnsafeBytes(of: number.littleEndian) { Array($0) }
        blocks.append(head + pattern(4088, seed: 900_000 + number))
        return number
    }

    /// The number of a block's content; nil if it is none that was ever written.
    func number(of block: ArraySlice<UInt8>) -> UInt64? {
        let number = block.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard number < UInt64(blocks.count), blocks[Int(number)].elementsEqual(block) else {
            return nil
        }
        return number
    }
}

/// A disk of the rig and everything it ever held.
struct AttackedDisk: Sendable {
    let lineage: LineageID
    /// After each block that was written, in the order of the log.
    var states: [BlockState]
    /// The same on the fork, from where it left.
    var forkStates: [BlockState] = []

    var newest: BlockState { states.last! }  // begins with the empty disk
}

struct AttackedSnapshot: Sendable {
    let lineage: LineageID
    let content: BlockState
    /// SHA-256 of its sealed file.
    let digest: [UInt8]
}

/// A store at rest with a history worth attacking, and copies of it from other times: two encrypted
/// lineages and a plain one, a clone, snapshots, three sessions of each disk, an anchor, and a fork
/// that an honest host went on with elsewhere.
struct AttackRig: Sendable {
    static let blocks = 64

    let keys = InMemoryKMS()
    private(set) var content = AttackContent()
    private(set) var disks: [DiskID: AttackedDisk] = [:]
    private(set) var snapshots: [SnapshotID: AttackedSnapshot] = [:]
    /// Two of one encrypted lineage, one of another, a plain one.
    let alpha: DiskID
    private(set) var clone: DiskID
    let beta: DiskID
    let plain: DiskID

    /// As it is, cleanly detached, and what its anchor knows.
    private(set) var now = MemoryStore()
    private(set) var anchor: [UInt8] = []
    /// Cleanly detached, a session of each disk ago.
    private(set) var earlier = MemoryStore()
    /// In the middle of the last session of each disk, behind a flush and a checkpoint.
    private(set) var middle = MemoryStore()
    /// What an honest host made of `earlier`: more sessions than there were here.
    private(set) var fork = MemoryStore()

    init() throws {
        let files = MemoryStore()
        try Store.create(in: files, account: "tests", region: "here")
        let memory = InMemoryAnchor()
        var store = try Self.open(files, memory, keys)
        let size = UInt64(Self.blocks * 4096)
        alpha = try store.createDisk(encrypted: true, size: size, attributes: ["N": "alpha"]).id
        beta = try store.createDisk(encrypted: true, size: size, attributes: ["N": "beta"]).id
        plain = try store.createDisk(encrypted: false, size: size, attributes: ["N": "plain"]).id
        clone = alpha  // until there is one
        for id in [alpha, beta, plain] { try note(id, in: store) }
        for id in [alpha, beta, plain] { try session(id, in: store, [0..<40, 8..<20]) }
        let origin = try snapshot(alpha, in: store)
        _ = try snapshot(plain, in: store)
        clone = try store.createDisk(from: origin, size: nil, attributes: ["N": "clone"]).id
        try note(clone, in: store)
        disks[clone]!.states = [snapshots[origin]!.content]  // noted just now
        try session(clone, in: store, [30..<50])
        try store.close()
        earlier = files.copy()

        let fork = files.copy()
        self.fork = fork
        let branch = try Self.open(fork, InMemoryAnchor(memory.bytes), keys)
        let past = disks
        for _ in 0..<3 {
            for id in past.keys.sorted() {
                try session(id, in: branch, [0..<64, 3..<9])
                try branch.detach(id)
            }
        }
        try branch.close()
        for id in past.keys {
            let states = disks[id]!.states  // a key of the same
            disks[id]!.forkStates = Array(states[past[id]!.states.count...])
            disks[id]!.states = past[id]!.states
        }

        store = try Self.open(files, memory, keys)
        for id in disks.keys.sorted() {
            try store.attach(id)
            try write([20..<50], to: id, in: store)
        }
        _ = try snapshot(alpha, in: store)
        _ = try snapshot(beta, in: store)
        for id in disks.keys.sorted() { try store.attached(id)?.checkpoint() }
        for id in disks.keys.sorted() { try store.attached(id)?.flush() }
        middle = files.copy()
        for id in disks.keys.sorted() { try write([0..<6, 44..<60], to: id, in: store) }
        try store.close()
        now = files
        anchor = memory.bytes ?? []
    }

    static func open(_ files: MemoryStore, _ anchor: InMemoryAnchor?, _ keys: InMemoryKMS) throws
        -> Store
    {
        try Store(
            opening: files, keys: keys, holder: "tests", anchor: anchor.map { Anchoring($0) },
            limits: Harness.smallLimits)
    }

    private mutating func note(_ id: DiskID, in store: Store) throws {
        disks[id] = AttackedDisk(
            lineage: try store.disk(id).lineage,
            states: [BlockState](repeating: BlockState(repeating: 0, count: Self.blocks), count: 1))
    }

    private mutating func session(_ id: DiskID, in store: Store, _ parts: [Range<Int>]) throws {
        try store.attach(id)
        try write(parts, to: id, in: store)
    }

    private mutating func write(_ parts: [Range<Int>], to id: DiskID, in store: Store) throws {
        let disk = store.attached(id)!  // the callers have attached it
        for part in parts {
            var bytes: [UInt8] = []
            for block in part {
                let number = content.make()
                var state = disks[id]!.newest  // noted
                state[block] = number
                disks[id]!.states.append(state)
                bytes += content.blocks[Int(number)]
            }
            try disk.put(bytes, at: UInt64(part.lowerBound * 4096))
            try disk.flush()
        }
        try disk.discard(at: UInt64(62 * 4096), length: 4096)
        var state = disks[id]!.newest
        state[62] = 0
        disks[id]!.states.append(state)
    }

    private mutating func snapshot(_ id: DiskID, in store: Store) throws -> SnapshotID {
        let snapshot = try store.createSnapshot(of: id, attributes: [:]).id
        let sealed = try store.openSealedSnapshot(snapshot)
        defer { sealed.close() }
        let disk = disks[id]!  // noted
        snapshots[snapshot] = AttackedSnapshot(
            lineage: disk.lineage, content: disk.newest, digest: try SHA256.hash(sealed.bytes()))
        return snapshot
    }
}

extension AttackRig {
    var lineages: Set<LineageID> { Set(disks.values.map(\.lineage)) }

    func lineage(_ id: DiskID) -> LineageID { disks[id]!.lineage }  // one of the rig's

    /// The lineage that a path of the store lies in.
    func lineage(ofPath path: String) -> LineageID? {
        let parts = path.split(separator: "/")
        return parts.count > 1 && parts[0] == "lineages" ? LineageID(String(parts[1])) : nil
    }

    var chunks: [String] { now.names.filter { $0.hasSuffix(".chunk") } }
    var manifests: [String] { now.names.filter { $0.hasSuffix(".manifest") } }

    func manifest(of id: DiskID) -> String { StoreLayout.disk(lineage(id), id) }
    func manifest(ofLineageOf id: DiskID) -> String { StoreLayout.lineageManifest(lineage(id)) }

    /// The chunks of a disk's lane, the oldest first.
    func chunks(of id: DiskID) throws -> [String] {
        let bytes = try now.bytes(of: ObjectName(manifest(of: id))!)  // the store's own path
        let lane = try UnopenedManifest(bytes: bytes).unverifiedDisk(id).lane
        return chunks.filter { $0.hasPrefix(StoreLayout.lane(lineage(id), lane) + "/") }.sorted()
    }
}

extension MemoryStore {
    /// The same with paths as text: of names that the store itself gave.
    func bytes(at path: String) throws -> [UInt8] { try bytes(of: ObjectName(path)!) }

    func put(_ bytes: [UInt8], at path: String) throws {
        try replaceObject(ObjectName(path)!, with: bytes)  // as above
    }

    func remove(path: String) throws { try remove(ObjectName(path)!) }  // as above

    /// Makes this name what it is in another store: gone, if it is not there.
    func take(_ path: String, from other: MemoryStore) throws {
        if other.names.contains(path) {
            try put(try other.bytes(at: path), at: path)
        } else if names.contains(path) {
            try remove(path: path)
        }
    }

    /// The same for all names that `isMeant`, of either store.
    func take(from other: MemoryStore, _ isMeant: (String) -> Bool) throws {
        for path in Set(names + other.names).sorted() where isMeant(path) {
            try take(path, from: other)
        }
    }
}
