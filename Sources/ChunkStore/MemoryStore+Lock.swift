extension MemoryStore {
    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try contents.withLock { state throws(StoreError) in
            if let lock = state.lock {
                throw StoreError(
                    .locked, operation: "lock the store", cause: "in use by `\(lock.holder)`")
            }
            let token = state.nextNumber()
            state.lock = (holder, token)
            return MemoryLock(store: self, token: token)
        }
    }
}

private final class MemoryLock: StoreLock {
    private let store: MemoryStore
    /// Tells this holding from a later one, so that a late release frees nothing of another's.
    private let token: UInt64

    init(store: MemoryStore, token: UInt64) {
        self.store = store
        self.token = token
    }

    deinit { release() }

    func release() {
        store.contents.withLock { if $0.lock?.token == token { $0.lock = nil } }
    }
}
