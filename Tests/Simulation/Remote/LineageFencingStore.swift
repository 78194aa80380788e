import ChunkStore

/// A store far away that is shared: each lineage that there is when it is joined is taken from
/// whoever has it, and kept.
struct LineageFencingStore: SharedStore, ForwardingStore {
    let remote: any RemoteStore
    let onTaken: @Sendable () -> Void

    var base: any ChunkStore { remote }

    func join(holder: String) throws(StoreError) -> any StoreLock {
        let membership = try remote.join(holder: holder)
        guard let lineages = ObjectName("lineages") else { return membership }
        var locks: [any StoreLock] = []
        do throws(StoreError) {
            for entry in try remote.list(lineages) where entry.isFolder {
                guard let folder = ObjectName("lineages/\(entry.name)") else { continue }
                locks.append(try remote.takeFolder(folder, holder: holder, isFencing: true).lock)
            }
        } catch {
            for lock in locks { lock.release() }
            membership.release()
            throw error
        }
        onTaken()
        return Locks(all: locks + [membership])
    }

    private final class Locks: StoreLock {
        private let all: [any StoreLock]
        init(all: [any StoreLock]) { self.all = all }
        func release() { for lock in all { lock.release() } }
    }

    func takeFolder(
        _ folder: ObjectName, holder: String, isFencing: Bool
    ) throws(StoreError) -> TakenFolder {
        try remote.takeFolder(folder, holder: holder, isFencing: isFencing)
    }

    func holders() throws(StoreError) -> [ObjectName: String] { try remote.holders() }

    func versions(
        below folder: ObjectName
    ) throws(StoreError) -> [ObjectName: ObjectVersion] {
        try remote.versions(below: folder)
    }
}
