/// A store that several processes, on hosts of their own, may have open at a time: each takes the
/// folders `lineages/…` that it works in, one by one, and has them alone.
///
/// Who has joined may read everything, as it was put there last; may change what lies in no such
/// folder by conditional replacement; and what lies in one only while it has that folder. Whoever
/// locks the store exclusively has it alone: no folder of it is taken then, and none can be.
public protocol SharedStore: ChunkStore {
    /// Takes part in the store until the returned lock is released, which gives every folder back.
    /// Throws `.locked` while somebody has the store exclusively, `.io`.
    func join(holder: String) throws(StoreError) -> any StoreLock

    /// Takes a folder `lineages/…` for this process alone; it need not be there yet. What is seen
    /// in it from then on is durable, as `lockExclusively` has it. A process that has it already
    /// gets it once more: every lock is released.
    ///
    /// Releasing the last one makes everything that was written there durable in the store, or
    /// throws nothing and keeps the folder for this host, which goes on where it was.
    ///
    /// With `isFencing` it is taken from whoever has it: nothing of theirs becomes part of it any
    /// more, and every call of theirs about it fails with `.fenced`. It returns when they can know.
    ///
    /// Throws `.locked` with a text that names who has it, `.io`.
    /// Precondition: the store was joined.
    func takeFolder(
        _ folder: ObjectName, holder: String, isFencing: Bool
    ) throws(StoreError) -> TakenFolder

    /// Who has which folders, this process left out. A hint: it may be over by now.
    func holders() throws(StoreError) -> [ObjectName: String]

    /// The versions of all small objects below a folder, of other folders and of those in them.
    /// Folders `lineages/…/chunks` hold chunks alone, and need not be looked into.
    func versions(below folder: ObjectName) throws(StoreError) -> [ObjectName: ObjectVersion]
}

/// A folder that was taken.
public struct TakenFolder: Sendable {
    public let lock: any StoreLock
    /// Whether nobody else had it since this process had it last: what is known of it holds.
    public let isUnchanged: Bool

    public init(lock: any StoreLock, isUnchanged: Bool) {
        self.lock = lock
        self.isUnchanged = isUnchanged
    }
}
