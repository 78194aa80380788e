import ChunkStore
import Testing

@testable import LocalStore

/// Each call of a folder's store, interrupted at each call that it makes of the host.
@Suite struct LocalStoreCrashTests {
    /// A call that changes the store.
    enum Change: String, CaseIterable {
        case replace, replaceNew, replaceVersion, replaceAbsent, create, recycle, remove,
            removeFolder
    }

    // Constants of valid form.
    private static let object = ObjectName("a/object")!
    private static let file = ObjectName("a/b/old.chunk")!
    private static let other = ObjectName("c/d/new.chunk")!

    private func run(_ change: Change, on store: LocalStore) throws {
        switch change {
        case .replace:
            try store.replaceObject(Self.object, with: [UInt8](repeating: 2, count: 5000))
        case .replaceVersion:
            let version = try store.readVersioned(Self.object, limit: 5000).version
            _ = try store.replaceObject(Self.object, with: [6, 6], if: .version(version))
        case .replaceAbsent: _ = try store.replaceObject(Self.other, with: [7], if: .absent)
        case .replaceNew: try store.replaceObject(Self.other, with: [3, 3, 3])
        case .create:
            _ = try store.createFile(Self.other, length: 20_000, beginning: [4, 4, 4])
        case .recycle:
            _ = try store.recycleFile(
                Self.file, as: Self.other, length: 40_000, beginning: [5], blank: 8192)
        case .remove: try store.remove(Self.object)
        case .removeFolder: try store.removeFolder(ObjectName("a")!)
        }
    }

    /// What can be seen: each name with its first bytes, of which the rest follows.
    private func look(_ host: SimulatedHost) throws -> [String: [UInt8]] {
        let store = try LocalStore(path: "store", host: host)
        let lock = try store.lockExclusively(holder: "test")
        defer { lock.release() }
        var seen: [String: [UInt8]] = [:]
        for name in [Self.object, Self.file, Self.other] {
            // What cannot be read is not there: it is then missed.
            guard let bytes = try? store.readObject(name, limit: 1 << 20) else { continue }
            seen[name.path] = Array(bytes.prefix(8192))
        }
        return seen
    }

    private func made() throws -> SimulatedHost {
        let host = SimulatedHost(
            scheduler: Scheduler(seed: 1), seed: 1, capacity: 1 << 20, seals: SealRegistry())
        let store = try LocalStore(path: "store", host: host)
        try store.replaceObject(Self.object, with: [UInt8](repeating: 1, count: 5000))
        let chunk = try store.createFile(Self.file, length: 40_000, beginning: [1])
        let bytes = [UInt8](repeating: 1, count: 40_000)
        try bytes.withUnsafeBytes { try chunk.write($0, at: 0) }
        try chunk.synchronize()
        return host
    }

    /// A crash leaves the state before or the one after, and what was answered; what the next
    /// process then sees it may rely on, even if the power fails right away.
    @Test(arguments: Change.allCases)
    func interrupted(_ change: Change) throws {
        let before = try look(made())
        let calm = try made()
        try run(change, on: LocalStore(path: "store", host: calm))
        let after = try look(calm)
        var calls = 0
        var wasAnswered = false
        while !wasAnswered {
            calls += 1
            for seed in 1...12 {
                for crash in [SimulatedHost.Crash.kill, .powerLoss] {
                    let host = try made()
                    host.generator = SeededGenerator(seed: UInt64(seed))
                    wasAnswered = try interrupt(change, crash, after: calls, on: host)
                    let seen = try look(host)
                    let isOnTheWay = !wasAnswered && isPart(seen, of: before, change)
                    let isRight = seen == after || isOnTheWay
                    #expect(isRight, "call \(calls), seed \(seed)")
                    host.crash(.powerLoss)
                    host.start()
                    let later = try look(host)
                    let isStill = later == seen
                    #expect(isStill, "call \(calls), seed \(seed): what was seen is gone")
                }
            }
        }
        #expect(calls > 3)
    }

    /// Whether the call was answered before the crash, which comes at the latest after it.
    private func interrupt(
        _ change: Change, _ crash: SimulatedHost.Crash, after calls: Int, on host: SimulatedHost
    ) throws -> Bool {
        let store = try LocalStore(path: "store", host: host)
        host.faults.crash(crash, after: calls)
        var wasAnswered = false
        do {
            try run(change, on: store)
            wasAnswered = true
        } catch {}
        host.crash(crash)
        host.start()
        return wasAnswered
    }

    /// A state on the way: the one before, without what the call removes by and by.
    private func isPart(
        _ seen: [String: [UInt8]], of before: [String: [UInt8]], _ change: Change
    ) -> Bool {
        if seen == before { return true }
        guard change == .recycle || change == .removeFolder else { return false }
        for (name, bytes) in seen where before[name] != bytes { return false }
        return seen.count < before.count
    }
}
