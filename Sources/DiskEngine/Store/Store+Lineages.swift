import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement

// Opening lineages: the only place where data keys come into memory.
//
// The KMS may take as long as it likes: an operator is asked for a passphrase, a keystore lies on a
// slow medium. So it is called with no lock held, and an action fetches its key before it takes
// `actions` (`acting`); what it decided upon before is looked at again there. Then a key that does
// not come keeps only those waiting who need that very key, and no thread that serves the kernel:
// those open plain lineages at most.
extension Store {
    /// Runs `body` with the lineage's key in memory; the key stays only if a disk is attached by
    /// then. `use` is metered by the KMS whether or not the key was in memory already (encrypted
    /// lineages only). `what` is the action, for its errors.
    func withLineage<R>(
        _ id: LineageID, for use: KeyUse?, while what: String, _ body: (Lineage) throws -> R
    ) throws -> R {
        let lineage = try openLineage(id, for: use, while: what)
        defer { closeLineage(id) }
        return try body(lineage)
    }

    /// Opens the lineage or counts one more user. Every call has its `closeLineage`. Called with no
    /// lock held. `what` is the action, for its errors: nobody who asks for a disk knows lineages.
    ///
    /// While one call opens a lineage, others that want it wait: two objects of one lineage would
    /// each write its manifest over the other's.
    ///
    /// `accepting`: the disk for whose sake a lineage is opened that is older than the anchor knows
    /// it. Throws `.rolledBack` without. `isFencing`: it is taken from another host that has it.
    /// Throws `.heldElsewhere` without.
    func openLineage(
        _ id: LineageID, for use: KeyUse?, while what: String, accepting disk: DiskID? = nil,
        isFencing: Bool = false
    ) throws -> Lineage {
        var isMetered = use == nil
        while true {
            try checkNotBeingDeleted(id)
            switch try enter(id, isMetered: isMetered) {
            case .open(let lineage): return lineage
            case .unmetered:
                if let use { try meter(use) }
                isMetered = true
            case .mine:
                defer { leaveOpening(id) }
                do {
                    let owned = try own(id, isFencing: isFencing)
                    return admit(try loadLineage(id, for: use, accepting: disk), owned)
                } catch {
                    // Deleted meanwhile, it reads as damaged.
                    let isThere = monitor.withLock {
                        catalogue.envelopes[id] != nil || catalogue.damagedLineages.contains(id)
                    }
                    guard isThere else {
                        throw DiskError(.notFound, "\(what): it was deleted meanwhile")
                    }
                    throw DiskError.wrap(error, while: "\(what): opening lineage \(id)")
                }
            }
        }
    }

    private enum Entry {
        /// Open, and counted as used.
        case open(Lineage)
        /// Open, not counted: a key must not stay because the KMS takes its time. Ask again then.
        case unmetered
        /// The caller is the one to open it, and says `leaveOpening` in every case.
        case mine
    }

    private func enter(_ id: LineageID, isMetered: Bool) throws -> Entry {
        try monitor.withLock {
            while catalogue.opening.contains(id) { monitor.wait() }
            guard let open = catalogue.openLineages[id]?.lineage else {
                catalogue.opening.insert(id)
                return .mine
            }
            // What is still open of it has to be closed before it can be opened anew.
            try open.checkNotFenced(.busy)
            guard isMetered || !open.isEncrypted else { return .unmetered }
            catalogue.openLineages[id]?.users += 1
            return .open(open)
        }
    }

    private func leaveOpening(_ id: LineageID) {
        monitor.withLock {
            catalogue.opening.remove(id)
            monitor.announce()
        }
    }

    /// Throws `.notFound` if a deletion of the lineage was begun.
    func checkNotBeingDeleted(_ id: LineageID) throws {
        do {
            guard try !sealed.isMarkedDeleted(id) else {
                throw DiskError(
                    .notFound,
                    "lineage \(id) is being deleted; repeat the deletion that was interrupted")
            }
        } catch {
            throw DiskError.wrap(error, while: "opening lineage \(id)")
        }
    }

    private func loadLineage(
        _ id: LineageID, for use: KeyUse?, accepting disk: DiskID?
    ) throws -> Lineage {
        let manifest = try sealed.readManifest(StoreLayout.lineageManifest(id), .lineage)
        let envelope = try manifest.unverifiedKeyEnvelope(of: id)
        // What the catalogue showed is what was decided upon: an encrypted lineage cannot become a
        // plain one behind an open store's back. The wrapping may be another, where wrapping it
        // anew failed and was done all the same; the key check tells whether that is the key.
        guard let shown = monitor.withLock({ catalogue.envelopes[id] }),
            shown.isOfSameKey(as: envelope)
        else {
            throw DiskError(
                .damaged, "lineage \(id): its key was exchanged since the store was opened")
        }
        try checkKind(of: id, suite: envelope.suite)
        let keys = try unwrapKeys(of: id, envelope, for: use)
        let (opened, version) = try manifest.lineage(with: keys)
        try checkFreshness(of: id, suite: keys.suite, version: version, accepting: disk)
        return makeLineage(keys, opened, version: version)
    }

    func makeLineage(_ keys: LineageKeys, _ manifest: LineageManifest, version: UInt64) -> Lineage {
        Lineage(
            keys: keys, manifest: manifest, version: version, store: sealed,
            environment: environment, limits: limits, budget: budget, memory: memory,
            freshness: freshness)
    }

    /// Puts an opened lineage into the catalogue, with one user. It is owned until it is closed.
    func admit(_ lineage: Lineage, _ owned: OwnedLineage) -> Lineage {
        monitor.withLock {
            catalogue.openLineages[lineage.id] = .init(lineage: lineage, owned: owned, users: 1)
        }
        return lineage
    }

    func closeLineage(_ id: LineageID) {
        var last = monitor.withLock { () -> Catalogue.OpenLineage? in
            catalogue.openLineages[id]?.users -= 1
            guard catalogue.openLineages[id]?.users == 0 else { return nil }
            return catalogue.openLineages.removeValue(forKey: id)
        }
        last?.lineage.noteFreshness()
        // Both end here, not under the monitor: that closes files, and then gives the lineage back.
        let owned = last?.owned
        last = nil
        withExtendedLifetime(owned) {}
    }

    func unwrapKeys(
        of id: LineageID, _ envelope: LineageManifest.KeyEnvelope, for use: KeyUse?
    ) throws -> LineageKeys {
        try envelope.unwrap(id, by: keys, in: identity.storeID, for: use)
    }

    /// One use of a key that is in memory already: the KMS is told, and may refuse. A CMK that is
    /// disabled begins nothing new; what ends is recorded all the same (`isEnding`).
    func meter(_ use: KeyUse, isEnding: Bool = false) throws {
        do {
            let key = try keys.describe(use: use)
            guard let key, key.state != .enabled, !isEnding else { return }
            throw KeyError(
                .disabled, "CMK \(key.keyID) is disabled, or waits to be deleted, where it is held")
        } catch {
            throw DiskError.wrap(error, while: "recording the key use \(use.action)")
        }
    }

    /// `store`: the one that the key was made in; nil: this one.
    func keyContext(_ lineage: LineageID, epoch: UInt32, store: String? = nil) -> KeyContext {
        KeyContext(lineage, epoch: epoch, store: store ?? identity.storeID)
    }
}

extension KeyContext {
    init(_ lineage: LineageID, epoch: UInt32, store: String) {
        self.init(
            store: store, lineage: lineage.description, epoch: epoch, format: Format.version)
    }
}

extension LineageManifest.KeyEnvelope {
    /// The keys of a lineage in the store `store`. Throws `.damaged` if there is none to unwrap,
    /// `.keyRefused` if it is another than the disks were sealed with, and what the KMS throws.
    func unwrap(
        _ id: LineageID, by keys: any KeyProvider, in store: String, for use: KeyUse?
    ) throws -> LineageKeys {
        guard suite != .plain else { return try .plain(id) }
        guard let keyID, let wrappedKey, let use else {
            throw DiskError(.damaged, "lineage \(id) has no wrapped data key")
        }
        let key = try keys.unwrap(
            WrappedKey(keyID: keyID, bytes: wrappedKey.bytes),
            context: KeyContext(id, epoch: epoch, store: self.store ?? store), use: use)
        let opened = try LineageKeys(lineage: id, suite: suite, epoch: epoch, dataKey: key)
        guard opened.keyCheck == keyCheck.bytes else {
            throw DiskError(
                .keyRefused,
                "the data key of lineage \(id) is not the one its disks were sealed with")
        }
        return opened
    }
}
