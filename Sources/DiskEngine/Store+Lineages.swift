import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement

// Opening lineages: the only place where data keys come into memory.
extension Store {
    /// Runs `body` with the lineage's key in memory; the key stays only if a disk is attached by
    /// then. `use` is metered by the KMS whether or not the key was in memory already (encrypted
    /// lineages only).
    func withLineage<R>(_ id: LineageID, for use: KeyUse?, _ body: (Lineage) throws -> R) throws
        -> R
    {
        let lineage = try openLineage(id, for: use)
        defer { closeLineage(id) }
        return try body(lineage)
    }

    /// Opens the lineage or counts one more user. Every call has its `closeLineage`. One call at a
    /// time: two objects of one lineage would each write its manifest over the other's.
    func openLineage(_ id: LineageID, for use: KeyUse?) throws -> Lineage {
        try opening.withLock { try openLineageAlone(id, for: use) }
    }

    private func openLineageAlone(_ id: LineageID, for use: KeyUse?) throws -> Lineage {
        do {
            guard try !sealed.isMarkedDeleted(id) else {
                throw DiskError(
                    .notFound,
                    "lineage \(id) is being deleted; repeat the deletion that was interrupted")
            }
        } catch {
            throw DiskError.wrap(error, while: "opening lineage \(id)")
        }
        let open = monitor.withLock { () -> Lineage? in
            catalogue.openLineages[id]?.users += 1
            return catalogue.openLineages[id]?.lineage
        }
        if let open {
            do {
                if let use { try meter(use, for: open) }
            } catch {
                closeLineage(id)
                throw error
            }
            return open
        }
        do {
            let manifest = try sealed.readManifest(StoreLayout.lineageManifest(id), .lineage)
            let envelope = try manifest.unverifiedKeyEnvelope(of: id)
            // What the catalogue showed is what was decided upon: an encrypted lineage cannot
            // become a plain one behind an open store's back.
            guard monitor.withLock({ catalogue.envelopes[id] }) == envelope else {
                throw DiskError(
                    .damaged, "lineage \(id): its key was exchanged since the store was opened")
            }
            let keys = try unwrapKeys(of: id, envelope, for: use)
            guard keys.keyCheck == envelope.keyCheck.bytes else {
                throw DiskError(
                    .keyRefused,
                    "the data key of lineage \(id) is not the one its disks were sealed with")
            }
            return admit(try makeLineage(keys, manifest))
        } catch {
            throw DiskError.wrap(error, while: "opening lineage \(id)")
        }
    }

    private func makeLineage(_ keys: LineageKeys, _ manifest: UnopenedManifest) throws -> Lineage {
        let (opened, version) = try manifest.lineage(with: keys)
        return Lineage(
            keys: keys, manifest: opened, version: version, store: sealed,
            environment: environment, limits: limits, budget: budget)
    }

    /// Puts an opened lineage into the catalogue, with one user.
    func admit(_ lineage: Lineage) -> Lineage {
        monitor.withLock {
            catalogue.openLineages[lineage.id] = .init(lineage: lineage, users: 1)
        }
        return lineage
    }

    func closeLineage(_ id: LineageID) {
        monitor.withLock {
            catalogue.openLineages[id]?.users -= 1
            if catalogue.openLineages[id]?.users == 0 { catalogue.openLineages[id] = nil }
        }
    }

    private func unwrapKeys(
        of id: LineageID, _ envelope: LineageManifest.KeyEnvelope, for use: KeyUse?
    ) throws -> LineageKeys {
        switch envelope.suite {
        case .plain: return try .plain(id)
        case .aes256GCM:
            guard let keyID = envelope.keyID, let wrapped = envelope.wrappedKey, let use else {
                throw DiskError(.damaged, "lineage \(id) has no wrapped data key")
            }
            let key = try keys.unwrap(
                WrappedKey(keyID: keyID, bytes: wrapped.bytes),
                context: keyContext(id, epoch: envelope.epoch), use: use)
            return try LineageKeys(
                lineage: id, suite: .aes256GCM, epoch: envelope.epoch, dataKey: key)
        }
    }

    /// One use of a key that is in memory already: the KMS is told, and may refuse.
    func meter(_ use: KeyUse, for lineage: Lineage) throws {
        guard lineage.isEncrypted else { return }
        do {
            _ = try keys.describe(use: use)
        } catch {
            throw DiskError.wrap(error, while: "recording the key use \(use.action)")
        }
    }

    func keyContext(_ lineage: LineageID, epoch: UInt32) -> KeyContext {
        KeyContext(
            store: identity.storeID, lineage: lineage.description, epoch: epoch,
            format: Format.version)
    }
}
