import DiskEngine

// A store that other hosts have, too.
extension ControlPlane {
    /// Whether other hosts may have the store at the same time: then `refresh` is to be called.
    public var isShared: Bool { store.isShared }

    /// Takes over what other hosts have made, changed and deleted, and tells the mounted tree what
    /// is gone. Returns why that failed; nil if it did not.
    @discardableResult
    public func refresh() -> String? {
        do {
            let gone = try store.refresh()
            for id in gone.disks { announce(.diskDeleted(id)) }
            for id in gone.snapshots { announce(.snapshotDeleted(id)) }
            let before = register.shown
            try register.refresh()
            if register.shown != before { announceInstances() }
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Runs an action that changes the account in several steps, one host at a time.
    func inAccountTurn<R>(_ body: () throws(Refusal) -> R) throws(Refusal) -> R {
        let turn = try engine(about: .store) { try store.takeAccountTurn() }
        defer { withExtendedLifetime(turn) {} }
        return try body()
    }
}
