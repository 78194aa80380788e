import ChunkStore
import DiskFormat
import Scheduling

/// The lineages of a shared store that this process has for itself: it works in no other. Of a
/// store that is one process's anyway it owns all, and nothing here asks anybody.
///
/// Invariant: while a lineage is owned nobody else changes what belongs to it, and whoever owns one
/// sees it as it is: `reload` was called if another may have had it.
final class LineageOwnership: @unchecked Sendable {
    // @unchecked: guarded by `monitor`.
    private let shared: (any SharedStore)?
    private let holder: String
    private let monitor: Monitor
    /// How many own it.
    private var users: [LineageID: Int] = [:]
    /// Those that somebody takes, or reads anew, at this moment.
    private var passing: Set<LineageID> = []

    init(_ shared: (any SharedStore)?, holder: String, threads: any Threads) {
        self.shared = shared
        self.holder = holder
        monitor = threads.makeMonitor()
    }

    /// Until it is let go of, the lineage is this process's. `isFencing`: it is taken from whoever
    /// has it. Called with no lock of the engine held: it may take as long as another host's lease.
    ///
    /// Throws `.heldElsewhere` naming who has it, `.io`, and what `reload` throws.
    func own(
        _ lineage: LineageID, isFencing: Bool = false, reload: () throws -> Void
    ) throws -> OwnedLineage {
        guard let shared, let folder = ObjectName(StoreLayout.lineage(lineage)) else {
            return OwnedLineage(lineage, lock: nil, of: self)
        }
        return try passing(lineage) {
            let taken = try take(folder, of: shared, isFencing)
            do {
                if !taken.isUnchanged { try reload() }
            } catch {
                taken.lock.release()
                throw error
            }
            monitor.withLock { users[lineage, default: 0] += 1 }
            return OwnedLineage(lineage, lock: taken.lock, of: self)
        }
    }

    /// Takes a folder for this process, whatever it is of.
    func take(
        _ folder: ObjectName, of shared: any SharedStore, _ isFencing: Bool
    ) throws(DiskError) -> TakenFolder {
        do {
            return try shared.takeFolder(folder, holder: holder, isFencing: isFencing)
        } catch {
            guard error.code == .locked else {
                throw .store(error, while: "taking its lineage for this host")
            }
            throw DiskError(
                .heldElsewhere, "another host works with it: \(error.cause)", cause: error)
        }
    }

    /// Runs `body` while nobody here begins to own the lineage, unless it is owned already.
    func unlessOwned(_ lineage: LineageID, _ body: () throws -> Void) rethrows {
        try passing(lineage) {
            if !isOwned(lineage) { try body() }
        }
    }

    func isOwned(_ lineage: LineageID) -> Bool {
        shared == nil || monitor.withLock { users[lineage] != nil }
    }

    fileprivate func letGo(_ lineage: LineageID) {
        guard shared != nil else { return }
        monitor.withLock {
            users[lineage] = users[lineage].flatMap { $0 > 1 ? $0 - 1 : nil }
        }
    }

    private func passing<R>(_ lineage: LineageID, _ body: () throws -> R) rethrows -> R {
        monitor.withLock {
            while passing.contains(lineage) { monitor.wait() }
            passing.insert(lineage)
        }
        defer {
            monitor.withLock {
                passing.remove(lineage)
                monitor.announce()
            }
        }
        return try body()
    }
}

/// A lineage that is this process's as long as this lives.
final class OwnedLineage: Sendable {
    private let id: LineageID
    /// nil: it is in any case.
    private let lock: (any StoreLock)?
    private let ownership: LineageOwnership

    fileprivate init(_ id: LineageID, lock: (any StoreLock)?, of ownership: LineageOwnership) {
        self.id = id
        self.lock = lock
        self.ownership = ownership
    }

    deinit {
        ownership.letGo(id)
        lock?.release()
    }
}
