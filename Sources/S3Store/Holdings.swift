import ChunkStore
import Synchronization

/// What this process has of the bucket, each part under a lease of its own: a folder `lineages/…`
/// that it took, or all of the store.
///
/// Invariant: in a store that is shared, nothing is put into a folder that was not taken: its gate
/// is shut.
final class Holdings: Sendable {
    /// What lies in no folder that has a lease of its own; without sharing, everything.
    let whole: Bucket
    /// Folders of a shared store that this process has not.
    private let visited: Bucket
    private let state = Mutex(State())

    private struct State {
        var isShared = false
        var folders: [ObjectName: Bucket] = [:]
    }

    init(whole: Bucket, visited: Bucket) {
        self.whole = whole
        self.visited = visited
        visited.gate.fence("this host has not taken the folder")
    }

    /// The folder `lineages/…` that a name lies in, or is; nil: none.
    static func folder(of name: ObjectName) -> ObjectName? {
        let parts = name.components.prefix(2)
        guard parts.count == 2, parts[0] == "lineages" else { return nil }
        return ObjectName(parts.joined(separator: "/"))
    }

    /// The bucket as whoever changes or reads `name` has it.
    subscript(name: ObjectName) -> Bucket {
        guard let folder = Self.folder(of: name) else { return whole }
        return state.withLock { state in
            state.folders[folder] ?? (state.isShared ? visited : whole)
        }
    }

    /// Whether what waits for its upload under this lease never becomes part of the store.
    func isLost(_ bucket: Bucket) -> Bool { bucket !== visited && bucket.gate.isFenced }

    var isShared: Bool { state.withLock { $0.isShared } }

    func share(_ isShared: Bool) {
        state.withLock {
            $0.isShared = isShared
            $0.folders = [:]
        }
    }

    func take(_ folder: ObjectName, _ bucket: Bucket) {
        state.withLock { $0.folders[folder] = bucket }
    }

    func giveBack(_ folder: ObjectName) {
        state.withLock { _ = $0.folders.removeValue(forKey: folder) }
    }

    /// Why something of this process reaches the store no more; nil: it does.
    var whyFenced: String? {
        whole.gate.whyFenced
            ?? state.withLock { Array($0.folders.values) }.lazy.compactMap(\.gate.whyFenced).first
    }
}
