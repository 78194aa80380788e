import DiskFormat
import Scheduling

/// What is known of the store's past, in memory and in the anchor.
///
/// Facts are noted when the store has them durably, never before: so the anchor lags behind the
/// store or agrees with it, whatever crashes. `monitor` is a leaf; the anchor is written without
/// it, by one thread at a time, and whoever finds that thread at work waits and looks again.
final class FreshnessKeeper: @unchecked Sendable {
    // @unchecked: what changes is accessed under `monitor`; the rest is constant.
    let isStrict: Bool
    let place: String
    /// Whether there was no anchor when the store was opened: it is trusted as it was found.
    let isFirstUse: Bool
    private let anchor: any FreshnessAnchor
    private let monitor: Monitor
    private var record: FreshnessRecord
    /// Changes since the store was opened, and how many of them the anchor has.
    private var changes: UInt64 = 0
    private var recorded: UInt64 = 0
    private var isWriting = false
    private var isClosed = false
    private var lastFailure: DiskError?

    /// Throws `.damaged`, `.unsupported`, `.invalid` for the anchor of another store, and what the
    /// anchor throws.
    init(_ anchoring: Anchoring, store: String, threads: any Threads) throws {
        anchor = anchoring.anchor
        isStrict = anchoring.isStrict
        place = anchor.place
        monitor = threads.makeMonitor()
        let bytes = try anchor.load()
        isFirstUse = bytes == nil
        do {
            record = try bytes.map { try FreshnessRecord(decoding: $0) } ?? .init(store: store)
        } catch {
            throw DiskError(
                (error as? FormatError)?.code == .unsupported ? .unsupported : .damaged,
                "the freshness anchor \(place) is damaged (\(error)): put it back from a copy; if"
                    + " there is none, make sure that the store is as you left it, then remove the"
                    + " anchor, and the store is trusted as it is from then on", cause: error)
        }
        guard record.store == store else {
            throw DiskError(
                .invalid,
                "the freshness anchor \(place) is that of store \(record.store), and this is store"
                    + " \(store): give each store an anchor of its own")
        }
    }

    /// nil without an anchor.
    static func make(_ anchoring: Anchoring?, store: String, threads: any Threads) throws
        -> FreshnessKeeper?
    {
        try anchoring.map { try FreshnessKeeper($0, store: store, threads: threads) }
    }

    /// Why the anchor could not be written when that was last tried.
    var failure: DiskError? { monitor.withLock { lastFailure } }

    func withRecord<R>(_ body: (FreshnessRecord) -> R) -> R { monitor.withLock { body(record) } }

    /// Takes in facts; `change` tells whether there were any.
    func note(_ change: (inout FreshnessRecord) -> Bool) {
        monitor.withLock { if change(&record) { changes += 1 } }
    }

    /// Returns when the anchor has everything that was noted before the call. Without a change it
    /// costs nothing. Throws what the anchor throws; a later call tries again.
    func write() throws(DiskError) {
        monitor.lock()
        defer { monitor.unlock() }
        let target = changes
        while recorded < target, !isClosed {
            if isWriting {
                monitor.wait()
                continue
            }
            isWriting = true
            defer {
                isWriting = false
                monitor.announce()
            }
            let (now, reach) = (record, changes)
            do {
                try monitor.withoutLock { try anchor.record(now.encoded()) }
                recorded = reach
                lastFailure = nil
            } catch {
                let failure = DiskError(
                    .io,
                    "the freshness anchor \(place) cannot be written: \(error); make room or set"
                        + " its rights, or use the store without an anchor (anchor=none)",
                    cause: error)
                lastFailure = failure
                throw failure
            }
        }
    }

    /// `write` where it need not succeed: an anchor that lags is right, and what failed is told in
    /// the status and tried again.
    func tryToWrite() { try? write() }

    /// Writes what is not written yet; from then on, nothing. Called before the store is given up:
    /// the next process that has it is the anchor's only user.
    func close() throws(DiskError) {
        defer {
            monitor.withLock {
                isClosed = true
                while isWriting { monitor.wait() }
            }
        }
        try write()
    }
}
