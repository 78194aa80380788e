import ChunkStore

@testable import S3Store

/// What a world has besides its hosts if its store does not lie on one: a bucket or a pool, and how
/// a process of a host reaches it.
protocol RemoteSide: AnyObject {
    /// What of a disk survives the loss of the host that it was attached on.
    var kept: Kept { get }
    /// Whether hosts have it as a whole, one at a time, and never parts of it.
    var isHadAsAWhole: Bool { get }
    /// Whether what a host has may be taken from it although no call failed: one that had no turn
    /// for long has not renewed its leases.
    var doLeasesRunOut: Bool { get }
    /// Whether calls of the host itself can fail.
    var hasFilesOnHosts: Bool { get }
    /// Calls that failed since `arm`.
    var haveFailed: Bool { get }
    /// In all: calls that failed, and those that took effect after they had.
    var failedCalls: Int { get }
    var lateCalls: Int { get }

    /// What goes wrong from now on.
    func arm(isQuiet: Bool)
    /// A process of a host reaches the store.
    func open(over host: SimulatedHost) throws -> any RemoteStore
    /// The same on a copy as it is now, to which nothing happens.
    func opener(ofCopyOver host: SimulatedHost) -> () throws -> any RemoteStore
    /// Another host is used from now on.
    func begin(_ host: SimulatedHost)
    /// Waits for so many quarters of a lease's term.
    func pause(quarters: Int)
}

enum Kept {
    /// What was acknowledged before the last snapshot, checkpoint or detach began.
    case saved
    /// Before the last flush, too.
    case flushed
    /// All that was acknowledged.
    case acknowledged
}

/// A store that several hosts may have, and that one may take as a whole from all of them.
protocol RemoteStore: SharedStore {
    func lockExclusively(holder: String, fencing: Bool) throws(StoreError) -> any StoreLock
}

extension S3Store: RemoteStore {}
