import CRados
import ChunkStore
import Glibc
import Synchronization

/// A client of the cluster, and whether it may still change anything.
///
/// A call that got no answer in time may take effect later: the request may wait at a host that is
/// slow. Nothing can take it back but to have the cluster refuse this client from now on. Hence a
/// change that is not answered ends the session (`.fenced`), and leaves the record of its holding,
/// so that whoever takes its scope next, this host too, has this client blocklisted before it looks
/// at anything. Then it is decided. A read changes nothing and is `.unanswered`.
final class Session: @unchecked Sendable {
    // @unchecked: librados' handles may be used from every thread, and are set once.
    let rados: sealdisk_rados
    let cluster: rados_t
    let pool: rados_ioctx_t
    let place: RADOSPlace
    /// What it changes, for its errors.
    let scope: Scope
    private let standing = Mutex(Standing())

    private struct Standing {
        /// Why nothing more may be changed.
        var end: String?
        /// Until when the lease is certain to be ours; nil without a lock.
        var deadline: UInt64?
    }

    init(_ place: RADOSPlace, of scope: Scope = .whole) throws(StoreError) {
        let rados = try RADOSLibrary.functions()
        let operation = "open store \(place)"
        var made: rados_t?
        try check(rados.create2(&made, "ceph", "client.\(place.user)", 0), operation)
        guard let cluster = made else { throw StoreError(rados: -EIO, operation) }
        do throws(StoreError) {
            pool = try Self.connect(rados, cluster, place, operation)
        } catch {
            rados.shutdown(cluster)
            throw error
        }
        rados.ioctx_set_namespace(pool, place.prefix)
        // A full pool refuses what needs space; otherwise librados waits until there is some.
        rados.set_pool_full_try(pool)
        self.rados = rados
        self.cluster = cluster
        self.place = place
        self.scope = scope
    }

    deinit {
        rados.ioctx_destroy(pool)
        rados.shutdown(cluster)
    }

    private static func connect(
        _ rados: sealdisk_rados, _ cluster: rados_t, _ place: RADOSPlace, _ operation: String
    ) throws(StoreError) -> rados_ioctx_t {
        if rados.conf_read_file(cluster, place.configuration) < 0 {
            throw StoreError(
                .notFound, operation: operation,
                cause: "\(place.configuration) cannot be read as a configuration of Ceph")
        }
        let settings = [
            ("rados_osd_op_timeout", "\(place.timeout)"),
            ("rados_mon_op_timeout", "\(place.timeout)"),
            ("client_mount_timeout", "\(place.timeout)"),
            // How soon a request that waits has librados ask where its host is by now.
            ("objecter_tick_interval", "1"), ("objecter_timeout", "3"),
            // What fails is told by codes; a library does not write to the program's output.
            ("log_to_stderr", "false"), ("err_to_stderr", "false"),
        ]
        for (name, value) in settings {
            try check(rados.conf_set(cluster, name, value), "\(operation): set \(name)")
        }
        let code = rados.connect(cluster)
        if [-ENOENT, -EACCES, -EPERM].contains(code) {
            throw StoreError(
                .denied, operation: operation,
                cause: "the cluster does not know client.\(place.user) by the key that it has in"
                    + " the keyrings of \(place.configuration), or it has none there")
        }
        try check(code, "\(operation) as client.\(place.user)")
        var pool: rados_ioctx_t?
        let found = rados.ioctx_create(cluster, place.pool, &pool)
        if found == -ENOENT {
            throw StoreError(
                .notFound, operation: operation, cause: "the cluster has no pool \(place.pool)")
        }
        try check(found, operation)
        guard let pool else { throw StoreError(rados: -EIO, operation) }
        return pool
    }

    // MARK: Whether it goes on

    /// Nothing is changed from now on. The first reason stays.
    func end(_ reason: String) {
        standing.withLock { if $0.end == nil { $0.end = reason } }
    }

    /// What taking its scope is called in errors.
    var taking: String { scope == .whole ? "lock \(place)" : "take \(scope)" }

    /// What is said when the cluster refuses this client.
    var whyTaken: String { "another host has taken \(scope) over" }

    var isOver: Bool { standing.withLock { $0.end != nil } }

    /// The lease is ours until then; nil: there is none.
    func setDeadline(_ deadline: UInt64?) {
        standing.withLock { $0.deadline = deadline }
    }

    /// Throws `.fenced` unless this process may change the store.
    func checkStanding(_ operation: @autoclosure () -> String) throws(StoreError) {
        let end = standing.withLock { standing -> String? in
            if standing.end == nil, let deadline = standing.deadline, now() >= deadline {
                standing.end = "the lease on \(scope) could not be renewed in time"
            }
            return standing.end
        }
        if let end { throw StoreError(.fenced, operation: operation(), cause: end) }
    }

    /// Runs a change; what it returns is the caller's to judge, but for that the session is over.
    func change(
        _ operation: @autoclosure () -> String, _ body: () -> Int32
    ) throws(StoreError) -> Int32 {
        try checkStanding(operation())
        let code = body()
        switch code {
        case -ESHUTDOWN: end(whyTaken)
        case -ETIMEDOUT:
            end(
                "the cluster did not answer within \(place.timeout) seconds, and may still do"
                    + " what it was asked")
        default: return code
        }
        try checkStanding(operation())
        return code
    }
}

/// Nanoseconds of the clock that also counts while the host sleeps: a lease ends meanwhile.
func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
