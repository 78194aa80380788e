import ChunkStore
import CryptoPrimitives
import DiskFormat
import Glibc
import KeyManagement
import Scheduling
import Testing

@testable import DiskEngine

/// SplitMix64: a seed replays a run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A store in memory and the engine on it, with small chunks so that tests cross their borders.
final class Harness {
    private(set) var files: MemoryStore
    let keys: InMemoryKMS
    let limits: Limits
    private(set) var store: Store

    static var smallLimits: Limits {
        var limits = Limits()
        limits.slotsPerChunk = 64
        limits.checkpointLogBlocks = 300
        limits.mapMemory = 4 << 20
        limits.reserveBytes = 1 << 20
        return limits
    }

    /// The same, with a pass of reclamation whenever a few blocks have died.
    static var reclaimingLimits: Limits {
        var limits = smallLimits
        limits.leastReclaimBlocks = 16
        limits.leastDiscardBlocks = 8
        return limits
    }

    init(
        limits: Limits = Harness.smallLimits, capacity: UInt64? = nil,
        environment: Environment = Environment(), keys: InMemoryKMS = InMemoryKMS()
    ) throws {
        self.keys = keys
        self.limits = limits
        files = MemoryStore(capacity: capacity)
        try Store.create(in: files, account: "tests", region: "here")
        store = try Store(
            opening: files, keys: keys, holder: "tests", environment: environment, limits: limits)
    }

    func disk(_ size: UInt64 = 1 << 20, encrypted: Bool = true) throws -> Disk {
        let summary = try store.createDisk(encrypted: encrypted, size: size, attributes: [:])
        return try store.attach(summary.id)
    }

    func reopen() throws {
        try store.close()
        store = try Store(opening: files, keys: keys, holder: "tests", limits: limits)
    }

    enum Crash: CaseIterable {
        /// The process dies: what it wrote stays.
        case kill
        /// The power fails: what was not synced is gone.
        case powerCut
    }

    /// Goes on with the store as a crash at this moment would leave it.
    func crash(_ kind: Crash) throws {
        let left = files.copy()
        if kind == .powerCut { left.crash() }
        try? store.close()  // the old process's threads; its store is no longer looked at
        files = left
        store = try Store(opening: files, keys: keys, holder: "tests", limits: limits)
    }

    func file(_ path: String) -> ObjectName { ObjectName(path)! }  // names of the store itself

    var chunkFiles: [String] { files.names.filter { $0.hasSuffix(".chunk") }.sorted() }
}

extension Disk {
    func bytes(_ offset: UInt64 = 0, _ count: Int? = nil) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count ?? Int(size - offset))
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: offset) }
        return bytes
    }

    func put(_ bytes: [UInt8], at offset: UInt64) throws {
        try bytes.withUnsafeBytes { try write($0, at: offset) }
    }
}

extension SnapshotReader {
    func bytes() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: Int(size))
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: 0) }
        return bytes
    }
}

/// A thread of a test's own.
func startThread(name: String, _ body: @escaping @Sendable () -> Void) -> any RunningThread {
    try! SystemThreads().start(name: name, body)  // without threads there is nothing to test
}

func pattern(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
        withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) }
    }
    return Array(bytes.prefix(count))
}

/// Waits until it is so, for at most 20 seconds.
func eventually(
    _ what: String, _ location: SourceLocation = #_sourceLocation, _ isSo: () throws -> Bool
) rethrows {
    for _ in 0..<2000 {
        if try isSo() { return }
        usleep(10_000)
    }
    Issue.record("not within 20 s: \(what)", sourceLocation: location)
}
