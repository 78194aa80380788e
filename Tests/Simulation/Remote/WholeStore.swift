import ChunkStore

/// A store far away that is had as a whole, taken from whoever has it if so wished; it tells when
/// it was.
struct WholeStore: ForwardingStore {
    let remote: any RemoteStore
    let isFencing: Bool
    let onTaken: @Sendable () -> Void

    var base: any ChunkStore { remote }

    func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        let lock = try remote.lockExclusively(holder: holder, fencing: isFencing)
        onTaken()
        return lock
    }
}
