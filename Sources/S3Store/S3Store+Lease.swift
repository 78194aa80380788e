import ChunkStore
import Scheduling

// Who has the store: the object `lease`, changed on its tag alone, renewed by its holder.
extension S3Store {
    /// Takes the store by its lease, and the cache by its own lock.
    ///
    /// A lease that nobody renews is waited for until it has run out by this host's clock, if the
    /// holder's clock does not say that it was renewed a moment ago. One of this very cache is
    /// taken at once: its process is gone, or it would have the cache.
    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try lockExclusively(holder: holder, fencing: options.isFencing)
    }

    /// With `fencing` the lease is taken from whoever has it; the call returns when the other has
    /// stopped, by the term of its lease, whether or not it has heard of it.
    public func lockExclusively(
        holder: String, fencing: Bool
    ) throws(StoreError) -> any StoreLock {
        let cacheLock = try cache.files.lockExclusively(holder: holder)
        do {
            let lease = S3Lease(self, name: holder, cacheLock: cacheLock)
            try lease.take(fencing: fencing)
            return S3Lock(lease)
        } catch {
            cacheLock.release()
            throw error
        }
    }

    /// Asks the bucket who has the lease, if this process thinks that it has it.
    func renewLease() throws(StoreError) {
        try held.withLock { $0 }?.renew()
    }
}

/// What the holder of the store has in hands: its end gives the lease back.
private final class S3Lock: StoreLock {
    private let lease: S3Lease

    init(_ lease: S3Lease) { self.lease = lease }
    deinit { lease.release() }

    func release() { lease.release() }
}

/// The lease of a store, as its holder has it.
final class S3Lease: @unchecked Sendable {
    // @unchecked: guarded by `monitor`, but for what is set once before the thread starts.
    private let store: S3Store
    private let name: String
    private let cacheLock: any StoreLock
    private let monitor: Monitor
    private var record = LeaseRecord(
        epoch: 0, floor: 0, holder: nil, termMilliseconds: 0, renewed: 0, name: "")
    private var tag: ObjectTag?
    private var thread: (any RunningThread)?
    private var isReleased = false
    private var isAsking = false

    private var term: LeaseTerm { store.options.lease }

    init(_ store: S3Store, name: String, cacheLock: any StoreLock) {
        self.store = store
        self.name = name
        self.cacheLock = cacheLock
        monitor = store.threads.makeMonitor()
    }

    // MARK: Taking

    func take(fencing: Bool) throws(StoreError) {
        let owner = try store.cache.readOwner()
        let cache = owner?.cache ?? Self.hex(store.random(16))
        let (found, isAlone) = try free(for: cache, fencing: fencing)
        // The other stops by the term that it has, which need not be this host's.
        let foreign = Duration.milliseconds(Int64(found?.record.termMilliseconds ?? 0))
        let isClean = found.map { $0.record.holder == nil } ?? true
        let epoch = (found?.record.epoch ?? 0) + 1
        monitor.withLock {
            record = LeaseRecord(
                epoch: epoch, floor: found?.record.floor ?? 0, holder: cache,
                termMilliseconds: UInt64(term.length.wholeNanoseconds / 1_000_000),
                renewed: store.wallSeconds(), name: name)
            tag = found?.tag
        }
        try renew()
        try startRenewing()
        do {
            if !isAlone {
                try waitOut(foreign + foreign / 5)
            }
            // What waits in the cache is of the store only if nobody had the store since.
            let isOurs = owner.map { $0.epoch == found?.record.epoch } ?? false
            if !isOurs { try store.uploads.forgetWaiting() }
            try store.cache.writeOwner(.init(cache: cache, epoch: epoch))
            store.bucket.epoch.store(epoch, ordering: .releasing)
            store.bucket.floor.store(record.floor, ordering: .releasing)
            if !isClean {
                try store.takeOver(at: epoch)
                monitor.withLock { record.floor = epoch }
                try renew()
                store.bucket.floor.store(epoch, ordering: .releasing)
            }
            store.held.withLock { $0 = self }
            try store.uploads.start()
        } catch {
            stopRenewing()
            throw error
        }
    }

    private typealias Found = (record: LeaseRecord, tag: ObjectTag)

    /// The lease as it may be taken, and whether nobody can still be acting by it. Throws `.locked`
    /// if somebody has it.
    private func free(
        for cache: String, fencing: Bool
    ) throws(StoreError) -> (found: Found?, isAlone: Bool) {
        guard let first = try find() else { return (nil, true) }
        guard let holder = first.record.holder, holder != cache else { return (first, true) }
        if fencing { return (first, false) }
        let foreign = Duration.milliseconds(Int64(first.record.termMilliseconds))
        let now = store.wallSeconds()
        let age = now > first.record.renewed ? now - first.record.renewed : 0
        if first.record.renewed <= now, Duration.seconds(Int64(age)) < foreign {
            throw locked(first.record)
        }
        // Nobody's clock is believed: it must stay as it is for a whole term.
        let start = store.time.now()
        while store.time.now() - start < foreign + foreign / 5 {
            store.time.sleep(for: min(.milliseconds(500), foreign / 10))
            guard let again = try find() else { return (nil, true) }
            if again.tag != first.tag { throw locked(again.record) }
        }
        return (first, true)
    }

    private func locked(_ record: LeaseRecord) -> StoreError {
        StoreError(
            .locked, operation: "take the store's lease",
            cause: "in use by `\(record.name)`, which renews its lease")
    }

    private func find() throws(StoreError) -> Found? {
        guard
            let found = try store.bucket.find(Bucket.lease, limit: 4096, "take the store's lease")
        else { return nil }
        guard let record = LeaseRecord(decoding: found.content) else {
            throw StoreError(
                .foreign, operation: "take the store's lease",
                cause: "the bucket's object `lease` is none that this program made")
        }
        return (record, found.tag)
    }

    /// Waits, as long as the lease is ours meanwhile.
    private func waitOut(_ span: Duration) throws(StoreError) {
        let end = store.time.now() + span
        while store.time.now() < end {
            try store.gate.check("take the store's lease")
            store.time.sleep(for: min(.milliseconds(200), end - store.time.now()))
        }
    }

    // MARK: Holding

    /// Puts the lease anew. Throws `.locked`, and fences this process, if another has taken it.
    func renew() throws(StoreError) {
        let mayAsk = monitor.withLock {
            while isAsking { monitor.wait() }
            isAsking = !isReleased
            return isAsking
        }
        guard mayAsk else { return }
        defer {
            monitor.withLock {
                isAsking = false
                monitor.announce()
            }
        }
        while true {
            do {
                return try putRecord()
            } catch {
                guard error.code == .conflict || error.code == .alreadyExists else { throw error }
            }
            let now = try find()
            // An earlier renewal, whose answer was lost, has come.
            let mine = monitor.withLock { record }
            if let now, now.record.holder == mine.holder, now.record.epoch == mine.epoch {
                monitor.withLock { tag = now.tag }
                continue
            }
            let name = now.map { $0.record.name } ?? "nobody any more"
            let cause = "another host has taken the store: `\(name)`"
            store.gate.fence(cause)
            throw StoreError(.locked, operation: "renew the store's lease", cause: cause)
        }
    }

    private func putRecord() throws(StoreError) {
        let before = store.time.now()
        var (next, old) = monitor.withLock { (record, tag) }
        next.renewed = store.wallSeconds()
        let put = try store.bucket.put(
            Bucket.lease, next.encoded(), if: old.map(PutCondition.tag) ?? .absent,
            "renew the store's lease")
        monitor.withLock { tag = put }
        store.gate.hold(until: before + term.length - term.margin)
    }

    private func startRenewing() throws(StoreError) {
        do {
            thread = try store.threads.start(name: "lease") { [self] in keepRenewing() }
        } catch {
            throw StoreError(.io, operation: "take the store's lease", cause: "\(error)")
        }
    }

    private func keepRenewing() {
        var next = store.time.now() + term.renewal
        while !monitor.withLock({ isReleased }), !store.gate.isFenced {
            store.time.sleep(for: min(.milliseconds(200), term.renewal / 4))
            guard store.time.now() >= next else { continue }
            do {
                try renew()
                next = store.time.now() + term.renewal
            } catch {
                // Asked again at once: what is left of the term is short.
            }
        }
    }

    private func stopRenewing() {
        monitor.withLock {
            isReleased = true
            monitor.announce()
        }
        thread?.join()
        thread = nil
    }

    /// Uploads what waits, ends the store's threads, and says that nobody has the store. Should
    /// something be left to upload the lease stays this cache's: nobody else takes it before its
    /// term is over, and this host goes on where it was.
    func release() {
        if monitor.withLock({ isReleased }) { return }
        var isDone = false
        do {
            try store.close()
            isDone = true
        } catch {
            // What waits is safe in the cache, and `waiting` says so.
        }
        stopRenewing()
        store.held.withLock { $0 = nil }
        if isDone, !store.gate.isFenced { giveBack() }
        cacheLock.release()
    }

    private func giveBack() {
        var (last, old) = monitor.withLock { (record, tag) }
        last.holder = nil
        guard let old else { return }
        // Who finds it held waits for its term: nothing is lost by that.
        _ = try? store.bucket.put(
            Bucket.lease, last.encoded(), if: .tag(old), "give the store's lease back")
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
