import ChunkStore
import CryptoPrimitives
import DiskFormat

/// One run of a copy between two stores that are this process's: what it has read, and how far it
/// is.
///
/// Invariant: `digests` holds, of every file that `copyAll` is done with, the SHA-256 of what the
/// source has; nothing is believed of the target until `verifyAll` has found the same there.
final class CopyRun {
    /// No object of a store is larger: a lineage's manifest may have 8 MiB, the account's record 4.
    static let objectLimit: UInt64 = 16 << 20

    let source: CopyEnd
    let target: CopyEnd
    /// False: the target is only compared.
    let mayWrite: Bool
    let pieces = CopyPieces()
    private let folder: StoreFolder
    /// What is copied before the store's manifest, by path, with its length in bytes.
    private let files: [(path: String, length: UInt64)]
    private var digests: [String: [UInt8]] = [:]
    private var progress: CopyProgress
    private let onProgress: (CopyProgress) -> Bool
    private var outcome: CopyReport

    init(
        source: CopyEnd, target: CopyEnd, folder: StoreFolder, storeID: String, mayWrite: Bool,
        onProgress: @escaping (CopyProgress) -> Bool
    ) {
        self.source = source
        self.target = target
        self.folder = folder
        self.mayWrite = mayWrite
        self.onProgress = onProgress
        files = Self.copied(folder)
        outcome = CopyReport(storeID: storeID)
        let all = files.reduce(0) { $0 + $1.length }
        progress = CopyProgress(stage: .copying, done: 0, all: all)
    }

    /// The files of a store that a copy of it has, too, in order. Not the lock, which is its
    /// keeper's, nor the space that is set aside: a mount sets it aside anew.
    private static func copied(_ folder: StoreFolder) -> [(path: String, length: UInt64)] {
        let others = [".lock", StoreLayout.reserve, StoreLayout.store]
        return folder.files.filter { !others.contains($0.key) }
            .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    func report(manifest: [UInt8], wasWhole: Bool) -> CopyReport {
        var report = outcome
        report.files = files.count + 1
        report.bytes = progress.all + UInt64(manifest.count)
        report.wasWhole = wasWhole
        report.foreign = folder.findings.filter { folder.files[$0.file] == nil }
        return report
    }

    // MARK: Copying

    /// Has the target hold what the source does, but for the store's manifest.
    func copyAll() throws {
        let there = try removeOthers()
        for (path, length) in files {
            let name = try Self.name(path)
            if path.hasSuffix(".chunk") {
                digests[path] = try copyChunk(name, length: length, there: there[path])
            } else {
                digests[path] = try copyObject(name, length: length, isThere: there[path] != nil)
            }
        }
    }

    /// What the target has of the source's files, by path. What the source has not, or with another
    /// length, is gone when this returns.
    private func removeOthers() throws -> [String: UInt64] {
        let found = try StoreCopy.at(.target) {
            try StoreFolder(target.survey, entersDeleted: true)
        }
        let lineages = Set(folder.lineages.keys)
        for lineage in found.lineages.keys where !lineages.contains(lineage) {
            let path = StoreLayout.lineage(lineage)
            guard mayWrite else { throw Self.notTheSame(path) }
            try StoreCopy.at(.target) { try target.files.removeFolder(try Self.name(path)) }
        }
        let wanted = Dictionary(uniqueKeysWithValues: files.map { ($0.path, $0.length) })
        var kept: [String: UInt64] = [:]
        for (path, length) in Self.copied(found) {
            let isChunk = path.hasSuffix(".chunk")
            if let expected = wanted[path], expected == length || !isChunk {
                kept[path] = length
                continue
            }
            guard mayWrite else { throw Self.notTheSame(path) }
            outcome.removedFiles += 1
            // Of a lineage that is gone as a whole, it is gone by now.
            if let id = Self.lineage(of: path), !lineages.contains(id) { continue }
            try StoreCopy.at(.target) { try target.files.remove(try Self.name(path)) }
        }
        return kept
    }

    private static func lineage(of path: String) -> LineageID? {
        let parts = path.split(separator: "/")
        guard parts.count > 2, parts[0] == StoreLayout.lineages else { return nil }
        return LineageID(String(parts[1]))
    }

    /// Returns the digest of what the source has.
    private func copyObject(_ name: ObjectName, length: UInt64, isThere: Bool) throws -> [UInt8] {
        guard length <= Self.objectLimit else {
            throw DiskError(
                .damaged,
                "reading the source: \(name) has \(length) bytes, and no such file has more than"
                    + " \(Self.objectLimit)")
        }
        let limit = Int(Self.objectLimit)
        let bytes = try StoreCopy.at(.source) { try source.files.readObject(name, limit: limit) }
        try StoreCopy.at(.target) {
            // What cannot be read is not the same.
            let found = isThere ? try? target.files.readObject(name, limit: limit) : nil
            if found == bytes { return }
            guard mayWrite else { throw Self.notTheSame(name.path) }
            try target.files.replaceObject(name, with: bytes)
            outcome.writtenBytes += UInt64(bytes.count)
        }
        try went(on: UInt64(bytes.count))
        return try SHA256.hash(bytes)
    }

    private func copyChunk(_ name: ObjectName, length: UInt64, there: UInt64?) throws -> [UInt8] {
        let input = try StoreCopy.at(.source) { try source.files.openFile(name) }
        if there == nil, !mayWrite { throw Self.notTheSame(name.path) }
        let output = try StoreCopy.at(.target) {
            // A file that a failing medium may have left behind has no other length than this.
            if there != nil { return try target.files.openFile(name) }
            return try target.files.createFile(name, length: length)
        }
        let chunk = CopiedChunk(
            name: name, length: length, input: input, output: output, isNew: there == nil,
            mayWrite: mayWrite, pieces: pieces)
        let digest = try chunk.copy { count in try went(on: count) }
        outcome.writtenBytes += chunk.written
        return digest
    }

    // MARK: Verifying

    /// Reads all of the target back, from the medium. Throws `.io` for what is not what the source
    /// has.
    func verifyAll() throws {
        progress = CopyProgress(stage: .verifying, done: 0, all: progress.all)
        let found = try StoreCopy.at(.target) {
            try Self.copied(StoreFolder(target.survey, entersDeleted: true))
        }
        let paths = Set(files.map(\.path))
        if let other = found.first(where: { !paths.contains($0.path) }) {
            throw Self.notWhatWasWritten(other.path)
        }
        for (path, length) in files {
            let name = try Self.name(path)
            let digest =
                path.hasSuffix(".chunk")
                ? try readBack(chunk: name, length: length) : try readBack(object: name)
            guard digest == digests[path] else { throw Self.notWhatWasWritten(path) }
        }
    }

    private func readBack(object name: ObjectName) throws -> [UInt8] {
        let bytes = try StoreCopy.at(.target) {
            try target.files.readObject(name, limit: Int(Self.objectLimit))
        }
        try went(on: UInt64(bytes.count))
        return try SHA256.hash(bytes)
    }

    private func readBack(chunk name: ObjectName, length: UInt64) throws -> [UInt8] {
        let file = try StoreCopy.at(.target) {
            let file = try target.files.openFile(name)
            guard try file.size().length == length else {
                throw Self.notWhatWasWritten(name.path)
            }
            try file.dropCache()
            return file
        }
        let digest = try SHA256.Stream()
        var done: UInt64 = 0
        while done < length {
            let piece = try pieces.fill(.theirs, from: file, name, at: done, of: length, .target)
            try digest.add(piece)
            done += UInt64(piece.count)
            try went(on: UInt64(piece.count))
        }
        file.forget(at: 0, length: length)
        return try digest.finish()
    }

    // MARK: Helpers

    private func went(on count: UInt64) throws {
        progress.done += count
        progress.step = count
        guard onProgress(progress) else { throw CopyInterrupted() }
    }

    static func notWhatWasWritten(_ path: String) -> DiskError {
        DiskError(
            .io,
            "verifying the copy: \(path) is not what was written to it: the copy's medium is not to"
                + " be trusted")
    }

    static func notTheSame(_ path: String) -> DiskError {
        DiskError(
            .alreadyExists,
            "the target is the same store, as a whole, but not as the source is now: \(path)"
                + " differs; one of them has gone on by itself, or is damaged")
    }

    private static func name(_ path: String) throws -> ObjectName {
        guard let name = ObjectName(path) else { throw DiskError(.invalid, "no name: \(path)") }
        return name
    }
}
