import ChunkStore
import Glibc
import Scheduling
import Synchronization

/// A part of a Ceph pool as a store that several hosts may have at a time, or one as a whole.
///
/// It is put together of `RADOSStore`s: one for what lies in no folder `lineages/…`, and for
/// everything unless the store was joined; and one for each folder that this process took. A folder
/// that it did not take is read as it is, and every change of it is `.fenced`.
///
/// What lies in no folder has no lease in a store that was joined. An object that stands beside its
/// name is replaced by one order to the cluster, on its condition; what takes several steps (larger
/// objects, the reserve) is done under the lease of the commons, which is had for as long as that
/// takes.
public final class SharedRADOSStore: Sendable {
    public let place: RADOSPlace
    let timing: LeaseTiming
    let taken = TakenFolders<TakenPart>(Monitor())
    /// Of all folders that were taken.
    let pages = RADOSStore.newPageCache()
    private let isReadOnly: Bool
    private let isFencing: Bool
    private let hostStore: (any ChunkStore)?
    private let state: Mutex<State>

    /// What has no folder's lease: both by the same client.
    struct Base {
        let common: RADOSStore
        /// For folders that were not taken.
        let visitor: RADOSStore
    }

    private struct State {
        var base: Base
        /// As whom the store was joined; nil: it was not.
        var member: String?
        var isWholeHeld = false
    }

    /// Connects to the cluster. Throws `.notFound` without librados, configuration or pool,
    /// `.denied`, `.unanswered`, `.io`.
    ///
    /// - Parameters:
    ///   - hostLock: a store of this host that is locked along, so that others here see which
    ///     process it is.
    ///   - isFencing: the store as a whole is taken from another host that has it.
    public init(
        _ place: RADOSPlace, readOnly: Bool = false, timing: LeaseTiming = LeaseTiming(),
        hostLock: (any ChunkStore)? = nil, isFencing: Bool = false
    ) throws(StoreError) {
        self.place = place
        self.timing = timing
        isReadOnly = readOnly
        hostStore = hostLock
        self.isFencing = isFencing
        let base = try Self.open(
            place, readOnly: readOnly, timing, hostLock, isFencing: isFencing)
        state = Mutex(State(base: base))
    }

    private static func open(
        _ place: RADOSPlace, readOnly: Bool, _ timing: LeaseTiming,
        _ hostLock: (any ChunkStore)?, isFencing: Bool
    ) throws(StoreError) -> Base {
        let common = try RADOSStore(
            place, readOnly: readOnly, timing: timing, hostLock: hostLock, isFencing: isFencing)
        return Base(
            common: common,
            visitor: RADOSStore(common.session, visiting: true, timing: timing))
    }

    /// The client for what has no folder's lease. One that ended, since a change had no answer or
    /// somebody had it refused, is followed by a new one; but not while it has the store as a
    /// whole.
    func base() throws(StoreError) -> Base {
        let (base, isWholeHeld) = state.withLock { ($0.base, $0.isWholeHeld) }
        guard base.common.session.isOver, !isWholeHeld else { return base }
        let fresh = try Self.open(
            place, readOnly: isReadOnly, timing, hostStore, isFencing: isFencing)
        return state.withLock { state in
            if state.base.common === base.common { state.base = fresh }
            return state.base
        }
    }

    /// As whom the store was joined; nil: it was not.
    var member: String? { state.withLock { $0.member } }

    /// Who reads a name, or changes what lies in a folder.
    func store(of name: ObjectName) throws(StoreError) -> RADOSStore {
        guard member != nil, let folder = Scope.folder(of: name) else { return try base().common }
        if let part = taken[folder] { return part.store }
        return try base().visitor
    }

    // MARK: The whole

    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        let lock = try base().common.lockExclusively(holder: holder)
        state.withLock { $0.isWholeHeld = true }
        return ReleasedOnce { [self] in
            lock.release()
            state.withLock { $0.isWholeHeld = false }
        }
    }

    public func join(holder: String) throws(StoreError) -> any StoreLock {
        let common = try base().common
        try common.checkWritable("join \(place)")
        let hostLock = try hostStore?.lockExclusively(holder: holder)
        do throws(StoreError) {
            _ = try common.demandNobodyHasTheWhole(holder: holder, fencing: isFencing)
        } catch {
            hostLock?.release()
            throw error
        }
        state.withLock { $0.member = holder }
        return ReleasedOnce { [self] in
            taken.releaseAll()
            state.withLock { $0.member = nil }
            hostLock?.release()
        }
    }

    // MARK: The commons

    /// Changes what lies in no folder and takes more than one order. Waits while another host does
    /// so, if `isPatient`; else, and after the time of an answer, throws `.locked`.
    func inCommons<R>(
        as member: String, isPatient: Bool = true,
        _ body: (RADOSStore) throws(StoreError) -> R
    ) throws(StoreError) -> R {
        let end = now() + UInt64(place.timeout) * 1_000_000_000
        while true {
            _ = try base().common.demandNobodyHasTheWhole(holder: member)
            if let part = try takeCommons(as: member, isLast: !isPatient || now() >= end) {
                defer { part.giveBack() }
                return try body(part.store)
            }
            usleep(100_000)
        }
    }

    /// nil: another host has them. Throws `.locked` instead if `isLast`.
    private func takeCommons(
        as member: String, isLast: Bool
    ) throws(StoreError) -> TakenPart? {
        do throws(StoreError) {
            return try TakenPart(
                .commons, of: place, timing: timing, pages: nil, holder: member, fencing: false)
        } catch {
            if error.code == .locked, !isLast { return nil }
            throw error
        }
    }
}
