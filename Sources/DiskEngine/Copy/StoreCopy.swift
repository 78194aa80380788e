import ChunkStore
import DiskFormat

/// Copies a whole store as it lies there, as ciphertext: no key is asked for, and none is needed.
///
/// What stands at the target:
/// - The first that is written is a mark in place of the store's manifest (`UnfinishedCopy`), with
///   the store's id and no place. While it stands there nobody takes the target for a store.
/// - Nothing that an earlier run left is believed: every byte is compared with the source's, what
///   is not the same is written anew, and what the source does not have goes.
/// - Then everything is read back, from the medium, and only then the manifest takes the mark's
///   place, in one step. So what looks like a store is one, whole and verified.
///
/// A target that is such a store already is compared and never written: it may have gone on by
/// itself. The source is only read.
public struct StoreCopy {
    private let source: CopyEnd
    private let target: CopyEnd
    private let holder: String
    private let onProgress: (CopyProgress) -> Bool

    /// - Parameters:
    ///   - holder: what a second process is told of who has the target.
    ///   - onProgress: may wait, to keep to a rate; false ends the copy.
    public init(
        from source: CopyEnd, to target: CopyEnd, holder: String,
        onProgress: @escaping (CopyProgress) -> Bool = { _ in true }
    ) {
        self.source = source
        self.target = target
        self.holder = holder
        self.onProgress = onProgress
    }

    /// What there is at the target.
    enum TargetState { case empty, unfinished, whole }

    /// Throws `.storeLocked` naming the process that has the source or the target;
    /// `.alreadyExists` if the target is something else than this store, or no copy of it as it is
    /// now; `.noSpace`, `.io`, `.damaged`, `CopyInterrupted`. After each of the last four the next
    /// run goes on.
    public func run() throws -> CopyReport {
        let lock = try Self.at(.source) { try source.survey.lockForReading() }
        defer { lock.release() }
        let (identity, manifest) = try sourceManifest()
        // Before the target is locked: a folder that is none of ours is to stay without a trace.
        _ = try targetState(identity.storeID)
        let held = try Self.at(.target) { try target.files.lockExclusively(holder: holder) }
        defer { held.release() }
        let state = try targetState(identity.storeID)
        let folder = try StoreFolder(source.survey)
        if state == .empty {
            let mark = UnfinishedCopy(of: identity.storeID).encoded()
            try Self.at(.target) { try target.files.replaceObject(Self.manifestName, with: mark) }
        }
        let run = CopyRun(
            source: source, target: target, folder: folder, storeID: identity.storeID,
            mayWrite: state != .whole, onProgress: onProgress)
        try run.copyAll()
        if state != .whole { try run.verifyAll() }
        guard try StoreFolder(source.survey).files == folder.files,
            try sourceManifest().bytes == manifest
        else {
            throw DiskError(
                .storeLocked, "the source was changed while it was copied: somebody used it")
        }
        try finish(manifest, mayWrite: state != .whole)
        return run.report(manifest: manifest, wasWhole: state == .whole)
    }

    static var manifestName: ObjectName { Store.manifestName }

    private func sourceManifest() throws -> (StoreIdentity, bytes: [UInt8]) {
        let identity = try Store.identity(of: source.files)
        let bytes = try Self.at(.source) {
            try source.files.readObject(Self.manifestName, limit: 4096)
        }
        return (identity, bytes)
    }

    /// The last step: from here on the target is a store.
    private func finish(_ manifest: [UInt8], mayWrite: Bool) throws {
        try Self.at(.target) {
            if mayWrite { try target.files.replaceObject(Self.manifestName, with: manifest) }
            guard try target.files.readObject(Self.manifestName, limit: 4096) == manifest else {
                throw mayWrite
                    ? CopyRun.notWhatWasWritten(StoreLayout.store)
                    : CopyRun.notTheSame(StoreLayout.store)
            }
        }
    }

    private func targetState(_ storeID: String) throws -> TargetState {
        let bytes: [UInt8]
        do {
            bytes = try target.files.readObject(Self.manifestName, limit: 4096)
        } catch {
            guard error.code == .notFound else { throw Self.wrap(error, at: .target) }
            let entries = try Self.at(.target) { try target.survey.survey(nil) }
            guard let other = entries.first(where: { !Self.isOfEmptyFolder($0) }) else {
                return .empty
            }
            throw DiskError(
                .alreadyExists,
                "the target is not empty, and is no copy that was begun: there is \(other.name)")
        }
        let mark = try? UnfinishedCopy(decoding: bytes)
        guard let found = mark?.store ?? (try? StoreManifest(decoding: bytes))?.store else {
            throw DiskError(
                .alreadyExists,
                "the target has a \(StoreLayout.store) that is no store's of this version")
        }
        guard found == storeID else {
            throw DiskError(
                .alreadyExists,
                "the target is \(mark == nil ? "" : "a copy of ")another store, \(found), and the"
                    + " source is \(storeID)")
        }
        return mark == nil ? .whole : .unfinished
    }

    /// What a folder may hold in which nothing was begun: what its keeper makes, or its medium.
    private static func isOfEmptyFolder(_ entry: SurveyedEntry) -> Bool {
        entry.name == ".lock" || entry.name == "lost+found"
            || entry.name.hasPrefix(".new-") && entry.kind == .file
    }

    // MARK: Failures

    enum Side: String {
        case source = "reading the source"
        case target = "writing the copy"
    }

    static func at<Result>(_ side: Side, _ work: () throws -> Result) throws -> Result {
        do { return try work() } catch { throw wrap(error, at: side) }
    }

    private static func wrap(_ error: any Error, at side: Side) -> any Error {
        error is CopyInterrupted ? error : DiskError.wrap(error, while: side.rawValue)
    }
}
