import ChunkStore
import DiskFormat
import KeyManagement

/// Verifies a store that nobody has open, and changes nothing in it: no file, no name, no time of
/// a change. It works on a copy on a read-only medium as well.
///
/// Where an attach would repair, remove or give back something, this tells what it would meet. The
/// engine's own recovery, maps and scrub do the reading, over a store that refuses every change
/// (`ReadOnlyStore`).
public struct StoreCheck {
    private let survey: any StoreSurvey
    private let files: any ChunkStore
    private let keys: any KeyProvider
    private let environment: Environment
    private let limits: Limits
    private let gauge: CheckGauge
    private let budget: ChunkBudget
    private let memory: MapMemory

    /// - Parameter onRead: gets the bytes that were read since the last call, on the thread that
    ///   checks; it may wait, to keep to a rate; false ends the check.
    public init(
        _ files: any ChunkStore, survey: any StoreSurvey, keys: any KeyProvider,
        environment: Environment = Environment(), limits: Limits = .standard,
        onRead: @escaping @Sendable (UInt64) -> Bool = { _ in true }
    ) {
        self.survey = survey
        self.keys = keys
        self.environment = environment
        self.limits = limits
        gauge = CheckGauge(onRead: onRead)
        budget = ChunkBudget(limit: limits.openChunks, threads: environment.threads)
        memory = MapMemory(limitBytes: limits.mapMemory, threads: environment.threads)
        self.files = RelievedStore(ReadOnlyStore(base: files, gauge: gauge), budget: budget)
    }

    /// Throws `.storeLocked` naming the process that has the store, `CheckInterrupted`, and what
    /// keeps it from being checked: `.notFound`, `.unsupported`, `.damaged` (what store this is
    /// cannot be told), `.io`, `.denied`, `.hostLimit`.
    public func run() throws -> CheckReport {
        let lock: any StoreLock
        do {
            lock = try survey.lockForReading()
        } catch {
            throw DiskError.wrap(error, while: "checking the store")
        }
        defer { lock.release() }
        do {
            return try checkAll()
        } catch {
            try gauge.checkGoesOn()
            throw error
        }
    }

    private func checkAll() throws -> CheckReport {
        let identity = try Store.identity(of: files)
        let folder = try StoreFolder(survey)
        let store = SealedStore(
            files, reserve: SpaceReserve(files: files, bytes: 0, threads: environment.threads))
        var report = CheckReport(findings: folder.findings)
        report.findings += try accountFindings(store, identity.storeID)
        for (id, content) in folder.lineages.sorted(by: { "\($0.key)" < "\($1.key)" }) {
            try check(id, content, store, identity.storeID, &report)
        }
        return report
    }

    /// How disks and snapshots belong together: no content depends on it.
    private func accountFindings(_ store: SealedStore, _ storeID: String) throws -> [CheckFinding] {
        do {
            _ = try store.readAccount(store: storeID)
            return []
        } catch let error as StoreError where error.code == .notFound {
            return []
        } catch {
            try gauge.checkGoesOn()
            return [
                CheckFinding(
                    .damage, .manifest, file: StoreLayout.account, "\(error)",
                    advice: Store.accountAdvice)
            ]
        }
    }

    private func check(
        _ id: LineageID, _ content: StoreFolder.LineageFolder, _ store: SealedStore,
        _ storeID: String, _ report: inout CheckReport
    ) throws {
        guard !content.isDeleted else {
            report.findings.append(
                CheckFinding(
                    .note, .stray, file: StoreLayout.lineage(id), "it is being deleted",
                    advice: "Nothing: the next mount finishes that."))
            return
        }
        let isEmpty = content.disks.isEmpty && content.snapshots.isEmpty && content.chunks.isEmpty
        // What an interrupted creation may leave.
        if !content.hasManifest, isEmpty { return }
        var isTrusted = true
        do {
            let lineage = try open(id, store, storeID)
            report = try LineageCheck(
                lineage, content, memory: memory, gauge: gauge, into: report
            ).run()
            return
        } catch let error as Unavailable {
            report.unverified.append(
                UnverifiedLineage(
                    lineage: id, disks: content.disks, snapshots: content.snapshots,
                    reason: error.reason))
        } catch let error as DamagedLineage {
            let path = StoreLayout.lineageManifest(id)
            var finding = CheckFinding(
                .damage, .manifest, file: path, error.cause.message,
                advice: "Put \(path) back from a copy of the store: without it nothing of these"
                    + " disks and snapshots can be read. It must be the newest there is.")
            (finding.disks, finding.snapshots) = (content.disks, content.snapshots)
            report.findings.append(finding)
            isTrusted = false
        }
        report = try StructureCheck.run(
            id, content, isManifestTrusted: isTrusted, store, gauge, into: report)
    }

    /// The key cannot be had, or is not to be told from a damaged one.
    private struct Unavailable: Error { let reason: String }
    private struct DamagedLineage: Error { let cause: DiskError }

    private func open(_ id: LineageID, _ store: SealedStore, _ storeID: String) throws -> Lineage {
        do {
            let manifest = try store.readManifest(StoreLayout.lineageManifest(id), .lineage)
            let envelope = try manifest.unverifiedKeyEnvelope(of: id)
            let opened = try envelope.unwrap(
                id, by: keys, in: storeID, for: KeyUse(action: "CheckStore", resource: "\(id)"))
            let (found, version) = try manifest.lineage(with: opened)
            return Lineage(
                keys: opened, manifest: found, version: version, store: store,
                environment: environment, limits: limits, budget: budget, memory: memory)
        } catch {
            try gauge.checkGoesOn()
            let cause = DiskError.wrap(error, while: "opening lineage \(id)")
            if error is KeyError || cause.code == .keyRefused {
                throw Unavailable(reason: cause.message)
            }
            guard [.damaged, .io].contains(cause.code) else { throw cause }
            throw DamagedLineage(cause: cause)
        }
    }
}
