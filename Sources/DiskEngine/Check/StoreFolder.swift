import ChunkStore
import DiskFormat

/// A store's folder as it lies there: what belongs to it, by name, and what does not.
struct StoreFolder {
    struct LineageFolder {
        var isDeleted = false
        var hasManifest = false
        /// Whether something of it waits to be given back.
        var waits = false
        var disks: [DiskID] = []
        var snapshots: [SnapshotID] = []
        /// Lengths in bytes.
        var chunks: [ChunkNumber: UInt64] = [:]
    }

    private(set) var lineages: [LineageID: LineageFolder] = [:]
    private(set) var findings: [CheckFinding] = []
    /// Every file that stands where a store has one, by its path, with its length in bytes.
    private(set) var files: [String: UInt64] = [:]
    private let survey: any StoreSurvey
    /// Whether lineages that are marked as deleted are looked into as well.
    private let entersDeleted: Bool

    private enum Place { case file, folder, none }

    /// Throws `.io`, `.denied`: what keeps a folder from being listed.
    init(_ survey: any StoreSurvey, entersDeleted: Bool = false) throws {
        self.survey = survey
        self.entersDeleted = entersDeleted
        let files = [
            StoreLayout.store, StoreLayout.account, StoreLayout.reserve, ".lock",
        ]
        let top = try look(nil) { entry in
            if files.contains(entry.name) { return .file }
            return [StoreLayout.lineages, "lost+found"].contains(entry.name) ? .folder : .none
        }
        guard top.contains(where: { $0.name == StoreLayout.lineages }) else { return }
        for entry in try look(StoreLayout.lineages, { LineageID($0.name) == nil ? .none : .folder })
        {
            guard let id = LineageID(entry.name) else { continue }
            lineages[id] = try lineage(id)
        }
    }

    private mutating func lineage(_ id: LineageID) throws -> LineageFolder {
        var found = LineageFolder()
        let folder = StoreLayout.lineage(id)
        let paths = [
            StoreLayout.lineageManifest(id), StoreLayout.deletionMark(id),
            StoreLayout.reclaimMark(id),
        ]
        let folders = [
            StoreLayout.disks(id), StoreLayout.snapshots(id), StoreLayout.chunks(id),
        ]
        let entries = try look(folder) { entry in
            let path = "\(folder)/\(entry.name)"
            return paths.contains(path) ? .file : folders.contains(path) ? .folder : .none
        }.map { "\(folder)/\($0.name)" }
        found.hasManifest = entries.contains(paths[0])
        found.isDeleted = entries.contains(paths[1])
        found.waits = entries.contains(paths[2])
        // Nothing of a lineage that is going counts.
        if found.isDeleted, !entersDeleted {
            for path in [paths[0], paths[2]] { files[path] = nil }
            return found
        }
        if entries.contains(folders[0]) {
            found.disks = try look(folders[0]) { Self.isOfDisk($0.name) ? .file : .none }
                .compactMap { Store.id($0.name, DiskID.init) }.sorted()
        }
        if entries.contains(folders[1]) {
            found.snapshots = try look(folders[1]) {
                Store.id($0.name, SnapshotID.init) == nil ? .none : .file
            }.compactMap { Store.id($0.name, SnapshotID.init) }.sorted()
        }
        if entries.contains(folders[2]) { found.chunks = try chunks(id) }
        return found
    }

    private static func isOfDisk(_ name: String) -> Bool {
        let pending = ".pending"
        return Store.id(name, DiskID.init) != nil
            || name.hasSuffix(pending) && DiskID(String(name.dropLast(pending.count))) != nil
    }

    private mutating func chunks(_ id: LineageID) throws -> [ChunkNumber: UInt64] {
        var found: [ChunkNumber: UInt64] = [:]
        let folder = StoreLayout.chunks(id)
        for lane in try look(folder, { StoreLayout.lane(named: $0.name) == nil ? .none : .folder })
        {
            guard let number = StoreLayout.lane(named: lane.name) else { continue }
            let groups = try look("\(folder)/\(lane.name)") {
                $0.name.utf8.count == 6 && UInt32($0.name, radix: 16) != nil ? .folder : .none
            }
            for group in groups {
                let path = "\(folder)/\(lane.name)/\(group.name)"
                func chunk(_ name: String) -> ChunkNumber? {
                    StoreLayout.sequence(ofChunkNamed: name)
                        .map { ChunkNumber(lane: number, sequence: $0) }
                        .flatMap { StoreLayout.chunk(id, $0) == "\(path)/\(name)" ? $0 : nil }
                }
                for file in try look(path, { chunk($0.name) == nil ? .none : .file }) {
                    if let chunk = chunk(file.name) { found[chunk] = file.length }
                }
            }
        }
        return found
    }

    /// What belongs into a folder; the rest is noted.
    private mutating func look(_ folder: String?, _ place: (SurveyedEntry) -> Place) throws
        -> [SurveyedEntry]
    {
        do {
            return try survey.survey(folder.flatMap { ObjectName($0) }).filter { entry in
                let path = folder.map { "\($0)/\(entry.name)" } ?? entry.name
                let place = place(entry)
                if place == .file, entry.kind == .file { files[path] = entry.length }
                if let finding = Self.finding(entry, path, place) {
                    findings.append(finding)
                    return finding.kind == .foreign && entry.kind == .file
                }
                return place != .none
            }
        } catch {
            throw DiskError.wrap(error, while: "listing \(folder ?? "the store")")
        }
    }

    private static func finding(_ entry: SurveyedEntry, _ path: String, _ place: Place)
        -> CheckFinding?
    {
        let isRight =
            switch place {
            case .file: entry.kind == .file
            case .folder: entry.kind == .folder
            case .none: entry.kind == .file || entry.kind == .folder
            }
        guard isRight else {
            return CheckFinding(
                .warning, .foreign, file: path,
                "it is a \(entry.kind.rawValue), which no store has; it is not followed",
                advice: place == .none
                    ? "Find out who put it there, and remove it."
                    : "Find out who put it there, remove it, and put the file back from a copy.")
        }
        if entry.links > 1 {
            return CheckFinding(
                .warning, .foreign, file: path,
                "it has \(entry.links) names (hard links), so it is not the store's alone and"
                    + " would not be written",
                advice: "Replace it by a copy of itself: cp -p, then mv.")
        }
        guard place == .none else { return nil }
        if entry.name.hasPrefix(".new-"), entry.kind == .file {
            return CheckFinding(
                .note, .stray, file: path, "an interrupted call left it",
                advice: "Nothing: the next mount removes it.")
        }
        return CheckFinding(
            .note, .stray, file: path, "it belongs to no store, and is never looked at",
            advice: "Remove it, if you do not know what it is for.")
    }
}
