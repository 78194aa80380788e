import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// A small store at rest to be copied: an encrypted disk with a snapshot, a plain disk, and a size
/// that waits.
struct CopyRig {
    static let size: UInt64 = 1 << 20

    let files: MemoryStore
    let keys: InMemoryKMS
    let disk: DiskID
    let plain: DiskID
    let content: [UInt8]

    init() throws {
        let harness = try Harness()
        (files, keys) = (harness.files, harness.keys)
        let disk = try harness.disk(Self.size)
        var content = [UInt8](repeating: 0, count: Int(Self.size))
        func put(_ blocks: Range<Int>, seed: UInt64) throws {
            let bytes = pattern(blocks.count * 4096, seed: seed)
            let start = blocks.lowerBound * 4096
            try disk.put(bytes, at: UInt64(start))
            content.replaceSubrange(start..<start + bytes.count, with: bytes)
        }
        try put(0..<30, seed: 1)
        _ = try harness.store.createSnapshot(of: disk.id, attributes: [:])
        try put(20..<40, seed: 2)
        let plain = try harness.disk(Self.size, encrypted: false)
        try plain.put(pattern(4096, seed: 3), at: 0)
        (self.disk, self.plain) = (disk.id, plain.id)
        try harness.store.detach(disk.id)
        try harness.store.detach(plain.id)
        try harness.store.resize(plain.id, to: 2 * Self.size)
        try harness.store.close()
        self.content = content
    }

    func open(_ files: MemoryStore) throws -> Store {
        try Store(opening: files, keys: keys, holder: "tests", limits: Harness.smallLimits)
    }

    /// What of a store is to be the same in its copy.
    static func contents(_ files: MemoryStore) throws -> [String: [UInt8]] {
        var all: [String: [UInt8]] = [:]
        for path in files.names where path != StoreLayout.reserve {
            all[path] = try files.bytes(of: name(path))
        }
        return all
    }

    static func name(_ path: String) -> ObjectName { ObjectName(path)! }  // the store's own paths

    /// Copies this store; `faults` stands for the target's calls.
    @discardableResult
    func copy(
        to target: MemoryStore, faults: FaultyStore? = nil,
        onProgress: @escaping (CopyProgress) -> Bool = { _ in true }
    ) throws -> CopyReport {
        try StoreCopy(
            from: CopyEnd(files), to: CopyEnd(faults ?? FaultyStore(target), survey: target),
            holder: "a copy", onProgress: onProgress
        ).run()
    }

    /// A copy that was interrupted when all was copied and nothing verified.
    func unfinished() throws -> MemoryStore {
        let target = MemoryStore()
        #expect(throws: CopyInterrupted.self) {
            try copy(to: target) { $0.stage == .copying }
        }
        expectUnfinished(target)
        return target
    }

    /// Nobody takes it for a store: neither to use it nor to check it.
    func expectUnfinished(
        _ target: MemoryStore, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let opening = diskErrorCode { _ = try open(target) }
        #expect(opening == .unfinishedCopy, sourceLocation: sourceLocation)
        let checking = diskErrorCode {
            _ = try StoreCheck(target, survey: target, keys: keys).run()
        }
        #expect(checking == .unfinishedCopy, sourceLocation: sourceLocation)
    }

    /// It is the store, by every byte.
    func expectWhole(
        _ target: MemoryStore, _ what: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let (ours, theirs) = (try Self.contents(files), try Self.contents(target))
        #expect(
            Set(ours.keys) == Set(theirs.keys), "\(what)", sourceLocation: sourceLocation)
        let differing = ours.keys.filter { ours[$0] != theirs[$0] }
        #expect(differing == [], "\(what)", sourceLocation: sourceLocation)
    }

    /// After a run that failed: either nobody takes the target for a store, or it is one, whole.
    func expectUnfinishedOrWhole(_ target: MemoryStore, _ what: String) throws {
        switch diskErrorCode({ _ = try Store.identity(of: target) }) {
        case nil: try expectWhole(target, what)
        case let code: #expect(code == .unfinishedCopy || code == .notFound, "\(what)")
        }
    }
}

/// A survey of which one call fails.
final class FaultySurvey: StoreSurvey, @unchecked Sendable {
    // @unchecked: used by one thread, the test's.
    private let base: MemoryStore
    private(set) var calls = 0
    private let failing: Int

    init(_ base: MemoryStore, failing: Int) { (self.base, self.failing) = (base, failing) }

    private func count() throws(StoreError) {
        calls += 1
        if calls == failing { throw StoreError(.io, operation: "survey", cause: "injected fault") }
    }

    func survey(_ folder: ObjectName?) throws(StoreError) -> [SurveyedEntry] {
        try count()
        return try base.survey(folder)
    }

    func lockForReading() throws(StoreError) -> any StoreLock {
        try count()
        return try base.lockForReading()
    }
}
