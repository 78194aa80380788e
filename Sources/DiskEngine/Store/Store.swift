import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement
import Scheduling

/// An open store: its disks and snapshots, and those of them that are attached. One process at a
/// time may have a store open, or of one that is shared (`SharedStore`) any number, each with
/// lineages of its own (`LineageOwnership`).
///
/// `actions` serialises what changes the set of disks and snapshots, and may be held as long as the
/// medium takes, never while the KMS is called; the `catalogue` is guarded by a monitor only held
/// for moments. Neither is on a data path.
public final class Store: @unchecked Sendable {
    // @unchecked: `catalogue` is accessed under `monitor`; the rest is constant.
    public let identity: StoreIdentity
    let files: any ChunkStore
    /// The medium, if it tells of itself.
    private let reporting: (any ReportingStore)?
    let sealed: SealedStore
    let keys: any KeyProvider
    let environment: Environment
    let limits: Limits
    let memory: MapMemory
    let budget: ChunkBudget
    let actions: Monitor
    let monitor: Monitor
    var catalogue = Catalogue()
    let reclaimer: Reclaimer
    /// Held by the one pass of reclamation at a time.
    let passes: Monitor
    private let lock: any StoreLock
    /// nil: this process alone has the store.
    let shared: (any SharedStore)?
    let ownership: LineageOwnership
    /// What was last seen of other hosts' lineages, and who has them.
    let elsewhere: Elsewhere
    public let scrubWork = ScrubWork()
    /// nil: without an anchor.
    let freshness: FreshnessKeeper?

    /// Opens a store, for this process alone if its medium cannot be shared; `holder` is what
    /// another process is told of it.
    ///
    /// `anchor` is where the store's past is remembered outside of it; nil: nowhere.
    ///
    /// Throws `.notFound` if there is no store, `.storeLocked` naming the process that has it,
    /// `.unsupported`, `.damaged`, `.io`; the same if the anchor cannot be read.
    public init(
        opening files: any ChunkStore, keys: any KeyProvider, holder: String,
        anchor: Anchoring? = nil, environment: Environment = Environment(),
        limits: Limits = .standard
    ) throws {
        try limits.check()
        reporting = files as? any ReportingStore
        let shared = files as? any SharedStore
        self.shared = shared
        ownership = LineageOwnership(shared, holder: holder, threads: environment.threads)
        elsewhere = Elsewhere(threads: environment.threads)
        budget = ChunkBudget(limit: limits.openChunks, threads: environment.threads)
        let files = RelievedStore(files, budget: budget)
        self.files = files
        self.keys = keys
        self.environment = environment
        self.limits = limits
        identity = try Self.identity(of: files)
        memory = MapMemory(limitBytes: limits.mapMemory, threads: environment.threads)
        actions = environment.threads.makeMonitor()
        monitor = environment.threads.makeMonitor()
        passes = environment.threads.makeMonitor()
        reclaimer = Reclaimer(threads: environment.threads)
        do {
            lock = try shared?.join(holder: holder) ?? files.lockExclusively(holder: holder)
            let reserve = SpaceReserve(
                files: files, bytes: limits.reserve(on: try files.capacity().total),
                threads: environment.threads)
            sealed = SealedStore(files, reserve: reserve)
        } catch {
            throw DiskError.wrap(error, while: "opening the store")
        }
        do {
            // Under the store's lock: it is the anchor's, too.
            freshness = try FreshnessKeeper.make(
                anchor, store: identity.storeID, threads: environment.threads)
            try loadCatalogue()
        } catch {
            lock.release()
            throw DiskError.wrap(error, while: "opening the store")
        }
        sealed.reserve.refill()
        do {
            try reclaimer.start(for: self)
        } catch {
            lock.release()
            throw error
        }
    }

    /// Makes an empty store. Throws `.alreadyExists` if there is one.
    @discardableResult
    public static func create(
        in files: any ChunkStore, account: String, region: String,
        environment: Environment = Environment()
    ) throws -> StoreIdentity {
        do {
            do {
                _ = try files.readObject(manifestName, limit: 4096)
                throw DiskError(.alreadyExists, "there is a SealDisk store already")
            } catch let error as StoreError where error.code == .notFound {}
            let id = Hex.text(try environment.entropy.bytes(16))
            let manifest = StoreManifest(
                store: id, account: account, region: region,
                created: environment.clock.now().seconds)
            try files.replaceObject(manifestName, with: manifest.encoded())
            return StoreIdentity(manifest)
        } catch {
            throw DiskError.wrap(error, while: "creating the store")
        }
    }

    /// What a store is, without opening it. Throws `.notFound`, `.unfinishedCopy`, `.unsupported`,
    /// `.damaged`, `.io`.
    public static func identity(of files: any ChunkStore) throws -> StoreIdentity {
        do {
            let bytes = try files.readObject(manifestName, limit: 4096)
            if let copy = try? UnfinishedCopy(decoding: bytes) {
                throw DiskError(
                    .unfinishedCopy,
                    "there is no whole store here yet: it is a copy of store \(copy.store) that was"
                        + " not finished")
            }
            return StoreIdentity(try StoreManifest(decoding: bytes))
        } catch let error as StoreError where error.code == .notFound {
            throw DiskError(.notFound, "there is no SealDisk store here; `sealdisk init` makes one")
        } catch let error as FormatError where error.code == .unsupported {
            throw DiskError(.unsupported, error.message, cause: error)
        } catch {
            throw DiskError.wrap(error, while: "reading the store's description")
        }
    }

    static var manifestName: ObjectName {
        ObjectName(StoreLayout.store)!  // a constant that is a valid name
    }

    /// Detaches every disk and gives the store up. Everything is done even if a part fails; the
    /// first failure is thrown at the end. The KMS is told of the detaches when all that is done:
    /// it may take its time, and no disk's data waits for it.
    public func close() throws {
        reclaimer.stop()
        // An action that still waits for its key comes too late.
        actions.withLock { monitor.withLock { catalogue.isClosed = true } }
        // Who is opening a disk finds it closed, and is done with that disk before it goes on.
        monitor.withLock { while !catalogue.starting.isEmpty { monitor.wait() } }
        var failure: (any Error)?
        let disks = disksAtWork()
        for disk in disks {
            do {
                try end(disk, isClosing: true).get()
            } catch {
                failure = failure ?? error
            }
        }
        do { try freshness?.close() } catch { failure = failure ?? error }
        lock.release()
        var isAsking = true
        for disk in disks where !disk.takesImport {
            do {
                isAsking = try meterDetach(of: disk, isAsking: isAsking)
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// A number that is another whenever a disk or snapshot may have come, gone, or got another
    /// name: for who keeps something that was made of a list of them.
    public var catalogueRevision: UInt64 {
        monitor.withLock { catalogue.disks.revision + catalogue.snapshots.revision }
    }

    /// What the medium tells of itself; nil of a folder.
    public var backendReport: BackendReport? { reporting?.report() }

    /// Space of the medium, in bytes. Throws `.io`.
    public func capacity() throws -> StoreCapacity {
        do {
            return try sealed.capacity()
        } catch {
            throw DiskError.wrap(error, while: "asking for the store's space")
        }
    }
}
