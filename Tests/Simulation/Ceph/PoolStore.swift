import ChunkStore
import Scheduling

/// The store in a simulated pool as one process has it open: a model of what the module RADOSStore
/// promises and of how it fails, at the level of orders to the cluster. What lies in a folder that
/// was taken is changed by a client of that folder's own; everything else by the base client, which
/// has the lease of the whole if the store was locked as such.
final class PoolStore: RemoteStore, @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    let pool: SimulatedPool
    let process: PoolProcess
    private var baseClient: PoolClient
    private var isWholeHeld = false
    /// Whether the store was joined.
    var isMember = false
    var taken: [ObjectName: TakenPoolFolder] = [:]
    /// Folders that somebody takes or gives back at this moment.
    var passing: Set<ObjectName> = []
    let passes: Monitor
    /// The cookies under which folders were had that were given back in order.
    var past: [ObjectName: Past] = [:]
    private var openChunks: [Int: Int] = [:]
    /// Chunks that have no name, whose pieces go when nobody has them open.
    var removedChunks: Set<Int> = []

    /// Who had a folder last, and who the whole.
    struct Past: Equatable {
        let part: Int
        let whole: Int
    }

    init(_ pool: SimulatedPool, on host: SimulatedHost) {
        self.pool = pool
        process = PoolProcess(on: host)
        baseClient = PoolClient(pool, process)
        passes = pool.scheduler.makeMonitor()
    }

    var chunkKind: ChunkKind { .appendable }

    /// One that ended is followed by a new one, but not while it has the whole.
    func base() -> PoolClient {
        if baseClient.isOver, !isWholeHeld { baseClient = PoolClient(pool, process) }
        return baseClient
    }

    // MARK: Who changes what

    /// The folder `lineages/…` that a name lies in, or is.
    static func folder(of name: ObjectName) -> ObjectName? {
        let parts = name.components.prefix(2)
        guard parts.count == 2, parts[0] == "lineages" else { return nil }
        return ObjectName(parts.joined(separator: "/"))
    }

    /// Who reads what has a name; and changes it, if that may be.
    func client(of name: ObjectName) -> PoolClient {
        guard isMember, let folder = Self.folder(of: name), let part = taken[folder] else {
            return base()
        }
        return part.client
    }

    /// Who changes what has a name. Throws `.fenced` if it lies in a folder that is not ours.
    func changingClient(
        of name: ObjectName, _ call: String
    ) throws(StoreError) -> PoolClient {
        guard isMember else { return base() }
        guard let folder = Self.folder(of: name) else {
            _ = try settleWhole(call, isFencing: false)
            return base()
        }
        guard let part = taken[folder] else {
            throw StoreError(.fenced, operation: call, cause: "\(folder) is not this host's")
        }
        return part.client
    }

    // MARK: The whole

    func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try lockExclusively(holder: holder, fencing: false)
    }

    func lockExclusively(
        holder: String, fencing: Bool
    ) throws(StoreError) -> any StoreLock {
        let call = "lock the store"
        let client = base()
        let lease = try PoolLease.take("", by: client, holder, isFencing: fencing)
        do throws(StoreError) {
            let parts = try client.read(call) { contents in
                contents.locks.filter { !$0.key.isEmpty && $0.value.isUnsettled }.keys.sorted()
            }
            for part in parts { try settle(part, isFencing: fencing) }
            try client.change(call, [.clean(nil)])
        } catch {
            lease.release()
            throw error
        }
        isWholeHeld = true
        return PoolStoreLock { [self] in
            lease.release()
            isWholeHeld = false
        }
    }

    func join(holder: String) throws(StoreError) -> any StoreLock {
        _ = try settleWhole("join the store", isFencing: false)
        isMember = true
        return PoolStoreLock { [self] in
            for folder in taken.keys.sorted(by: { $0.path < $1.path }) { giveBack(folder) }
            isMember = false
        }
    }

    /// Nobody has the whole when this returns: the cookie of who had it last.
    func settleWhole(_ call: String, isFencing: Bool) throws(StoreError) -> Int {
        while true {
            let found = try base().read(call) { $0.locks[""] ?? PoolLock() }
            if found.holder == nil { return found.last }
            try settle("", isFencing: isFencing)
        }
    }

    /// What somebody left who did not give it back is put in order. Throws `.locked` if somebody
    /// has it.
    private func settle(_ scope: String, isFencing: Bool) throws(StoreError) {
        let client = PoolClient(pool, process)
        let lease = try PoolLease.take(scope, by: client, "settling", isFencing: isFencing)
        defer { lease.release() }
        try client.change("clean \(scope)", [.clean(scope.isEmpty ? nil : scope)])
    }

    // MARK: Open chunks

    func opened(_ chunk: Int) { openChunks[chunk, default: 0] += 1 }

    /// The pieces of a chunk without a name go with the last who has it open. No other thread runs
    /// meanwhile: this is told when a file is released.
    func closed(_ chunk: Int, by client: PoolClient) {
        openChunks[chunk, default: 1] -= 1
        guard openChunks[chunk] == 0 else { return }
        openChunks[chunk] = nil
        if removedChunks.remove(chunk) != nil, process.isAlive, !client.isOver, !client.isRefused {
            pool.contents.removeChunk(chunk)
        }
    }

    /// Removes the pieces of a chunk whose name is gone, now or when nobody has it open.
    func discard(
        _ chunk: Int, length: Int, by client: PoolClient, _ call: String
    ) throws(StoreError) {
        if openChunks[chunk] != nil {
            removedChunks.insert(chunk)
            return
        }
        let parts = pool.contents.parts(of: 0..<length)
        try client.change(
            call,
            parts.map { part in
                let name = PoolContents.PieceName(chunk: chunk, number: part.number)
                return PoolChange("remove piece \(name)", of: name.object) { $0.removePiece(name) }
            })
    }
}

/// A folder that this process has, and how many want it.
struct TakenPoolFolder {
    let client: PoolClient
    let lease: PoolLease
    let past: PoolStore.Past
    var users: Int
}

/// Released once.
final class PoolStoreLock: StoreLock, @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    private var end: (() -> Void)?

    init(_ end: @escaping () -> Void) { self.end = end }

    func release() {
        let end = end
        self.end = nil
        end?()
    }
}

extension PoolContents.PieceName {
    /// The cluster's object.
    var object: String { "c/\(chunk)/\(number)" }
}

extension PoolChange {
    static func clean(_ folder: String?) -> PoolChange {
        PoolChange("clean \(folder ?? "all")", of: "journal/\(folder ?? "")") {
            $0.clean(folder)
            return .done
        }
    }
}
