import CryptoPrimitives
import DiskFormat
import KeyManagement

/// What came of wrapping a store's data keys anew.
public struct RewrapReport: Sendable {
    /// Data keys that are under the CMK's newest version now, and were not.
    public internal(set) var rewrapped = 0
    /// Those that were already.
    public internal(set) var current = 0
    /// Lineages whose records are damaged or were put back, and why; they stay as they are.
    public internal(set) var failures: [(lineage: String, message: String)] = []
}

extension Store {
    /// Whether the store holds a lineage's wrapped data key: it goes with the last disk and
    /// snapshot that share it.
    public func hasDataKey(of lineage: LineageID) -> Bool {
        monitor.withLock {
            catalogue.envelopes[lineage]?.wrappedKey != nil
                || catalogue.damagedLineages.contains(lineage)
        }
    }

    /// Wraps each data key under the newest version of the CMK: the same key of the same epoch, so
    /// no data is touched. Disks may be attached or not. A lineage's manifest is replaced as a
    /// whole, durably: an interruption leaves some to do, and a repetition does those.
    /// Calls the KMS for each encrypted lineage (ReEncrypt; Decrypt where its key is not here).
    ///
    /// Throws what the KMS throws, `.io`, `.noSpace`; then the rest is still to be done.
    public func rewrapDataKeys() throws -> RewrapReport {
        var report = RewrapReport()
        let envelopes = monitor.withLock { catalogue.envelopes }
        for (id, envelope) in envelopes.sorted(by: { $0.key.description < $1.key.description }) {
            guard envelope.suite != .plain else { continue }
            do {
                if try rewrap(id, envelope) { report.rewrapped += 1 } else { report.current += 1 }
            } catch {
                let failure = DiskError.wrap(error, while: "wrapping the key of lineage \(id) anew")
                // Deleted meanwhile; or there again, which a repetition sees.
                if failure.code == .notFound { continue }
                guard isOfLineage(failure) else { throw failure }
                report.failures.append((id.description, failure.message))
            }
        }
        freshness?.tryToWrite()
        return report
    }

    /// Whether a failure is that of one lineage, and the others may do better.
    private func isOfLineage(_ failure: DiskError) -> Bool {
        if let cause = failure.cause as? KeyError {
            return cause.code == .refused || cause.code == .unknownKey
        }
        return [.damaged, .keyRefused, .rolledBack, .heldElsewhere].contains(failure.code)
    }

    /// False if it was under the newest version.
    private func rewrap(
        _ id: LineageID, _ envelope: LineageManifest.KeyEnvelope
    ) throws -> Bool {
        guard let keyID = envelope.keyID, let bytes = envelope.wrappedKey?.bytes else {
            throw DiskError(.damaged, "lineage \(id) has no wrapped data key")
        }
        let use = KeyUse(action: "RewrapDataKeys", resource: id.description)
        let wrapped = WrappedKey(keyID: keyID, bytes: bytes)
        let newest = try keys.rewrap(
            wrapped, context: keyContext(id, epoch: envelope.epoch, store: envelope.store), use: use
        )
        guard newest != wrapped else { return false }
        let what = "wrapping the key of lineage \(id) anew"
        return try withLineage(id, for: use, while: what) { lineage in
            try acting(what) {
                try checkNotBeingDeleted(id)
                // Nobody else exchanges it; but it may have gone, and come back by an import.
                guard let shown = monitor.withLock({ catalogue.envelopes[id] }),
                    shown.isOfSameKey(as: envelope)
                else { throw DiskError(.notFound, "lineage \(id) is another than it was") }
                let exchanged = envelope.rewrapped(keyID: newest.keyID, newest.bytes)
                try lineage.update { $0.key = exchanged }
                monitor.withLock { catalogue.envelopes[id] = exchanged }
                lineage.noteFreshness()
                return true
            }
        }
    }
}
