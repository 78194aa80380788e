import ChunkStore
import Scheduling

/// A lease as its holder has it: of the whole store, or of a folder. An object that is changed on
/// its tag alone and renewed by its holder. How it is taken is in `S3Lease+Take.swift`.
final class S3Lease: HeldFolder, @unchecked Sendable {
    // @unchecked: guarded by `monitor`, but for what is set once before the thread starts.
    let store: S3Store
    /// nil: the whole store.
    let folder: ObjectName?
    /// What is held, under this lease's epoch.
    let bucket: Bucket
    let name: String
    private let monitor: Monitor
    private var record = LeaseRecord(
        epoch: 0, floor: 0, holder: nil, termMilliseconds: 0, renewed: 0, name: "")
    private var tag: ObjectTag?
    private var thread: (any RunningThread)?
    private var isReleased = false
    private var isAsking = false
    /// Whether another has it.
    private var isTaken = false
    private var epochBefore: UInt64 = 0

    var term: LeaseTerm { store.options.lease }
    var key: ObjectKey { Bucket.lease(of: folder) }
    var epoch: UInt64 { monitor.withLock { record.epoch } }
    var isPending: Bool { monitor.withLock { record.isPending } }
    var before: UInt64 { monitor.withLock { epochBefore } }
    var now: UInt64 { epoch }

    init(_ store: S3Store, of folder: ObjectName?, _ bucket: Bucket, name: String) {
        self.store = store
        self.folder = folder
        self.bucket = bucket
        let host = store.options.hostName
        self.name = host.isEmpty ? name : "\(name) on \(host)"
        monitor = store.threads.makeMonitor()
    }

    /// What this operation is called in errors.
    var taking: String { folder.map { "take \($0)" } ?? "take the store's lease" }

    func checkStanding(_ operation: String) throws(StoreError) { try bucket.gate.check(operation) }
    func giveBack() -> Bool { release() }

    /// What the next renewal puts, and over what; `before` is the epoch of whoever had it last.
    func prepare(_ record: LeaseRecord, over tag: ObjectTag?, before: UInt64) {
        monitor.withLock { (self.record, self.tag, epochBefore) = (record, tag, before) }
    }

    /// The record, changed; put with the next renewal.
    func change(_ body: (inout LeaseRecord) -> Void) { monitor.withLock { body(&record) } }

    // MARK: Holding

    /// Puts the lease anew. Throws `.locked`, and fences the holder, if another has taken it.
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
            let now = try store.findLease(key, taking)
            // An earlier renewal, whose answer was lost, has come; perhaps of before a raise.
            let mine = monitor.withLock { record }
            if let now, now.record.holder == mine.holder, now.record.epoch <= mine.epoch {
                monitor.withLock { tag = now.tag }
                continue
            }
            let what = folder.map { "folder \($0)" } ?? "the store"
            let name = now.map { $0.record.name } ?? "nobody any more"
            let cause = "another host has taken \(what): `\(name)`"
            monitor.withLock { isTaken = true }
            bucket.gate.fence(cause)
            throw StoreError(.locked, operation: "renew the lease of \(what)", cause: cause)
        }
    }

    /// The record's first put. False if the lease is not as it was found: nothing was done.
    func putFirst() throws(StoreError) -> Bool {
        do {
            try putRecord()
            return true
        } catch {
            guard error.code == .conflict || error.code == .alreadyExists else { throw error }
            return false
        }
    }

    private func putRecord() throws(StoreError) {
        let before = store.time.now()
        var (next, old) = monitor.withLock { (record, tag) }
        next.renewed = store.wallSeconds()
        let put = try bucket.put(
            key, next.encoded(), if: old.map(PutCondition.tag) ?? .absent, "renew the lease")
        monitor.withLock { tag = put }
        bucket.gate.hold(until: before + term.length - term.margin)
    }

    func startRenewing() throws(StoreError) {
        do {
            thread = try store.threads.start(name: "lease") { [self] in keepRenewing() }
        } catch {
            throw StoreError(.io, operation: taking, cause: "\(error)")
        }
    }

    private func keepRenewing() {
        var next = store.time.now() + term.renewal
        while !monitor.withLock({ isReleased }), !bucket.gate.isFenced {
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

    /// It is renewed no more; true for who says it first.
    @discardableResult
    func stopRenewing() -> Bool {
        let isFirst = monitor.withLock {
            defer { isReleased = true }
            monitor.announce()
            return !isReleased
        }
        thread?.join()
        thread = nil
        return isFirst
    }

    // MARK: Giving back

    /// Makes what was written durable in the store, and says that nobody has this any more. Should
    /// something be left to upload the lease stays this cache's: nobody else takes it before its
    /// term is over, and this host goes on where it was. True if it was given back.
    @discardableResult
    func release() -> Bool {
        if monitor.withLock({ isReleased }) { return false }
        var isDone = false
        do {
            if let folder {
                try store.uploads.publishAll(below: folder.path, isPatient: false)
            } else {
                try store.close()
            }
            isDone = true
        } catch {
            // What waits is safe in the cache, and `waiting` says so.
        }
        guard stopRenewing() else { return false }
        let mayGiveBack = isDone && !bucket.gate.isFenced
        if let folder {
            bucket.gate.fence("this host has given back folder \(folder)")
            store.uploads.awaitIdle(below: folder.path)
            // What waits never becomes part of the store; if this fails, the next taking does it.
            if monitor.withLock({ isTaken }) { try? store.uploads.forgetWaiting(below: folder) }
            store.holdings.giveBack(folder)
        }
        store.held.withLock { _ = $0.removeValue(forKey: key) }
        if mayGiveBack { putBack() }
        return mayGiveBack
    }

    private func putBack() {
        var (last, old) = monitor.withLock { (record, tag) }
        (last.holder, last.isPending) = (nil, false)
        guard let old else { return }
        // Who finds it held waits for its term: nothing is lost by that.
        _ = try? bucket.put(key, last.encoded(), if: .tag(old), "give the lease back")
    }

    /// One that could not be had after all: nothing was done under it.
    func withdraw(givingBack: Bool) {
        stopRenewing()
        if givingBack, !bucket.gate.isFenced { putBack() }
    }
}
