/// Where something stands in the order of creation. The clock gives whole seconds and may be set
/// back: within a second records count (`order`), across seconds they tell the clock's time.
struct CreationOrder: Comparable {
    let created: Int64
    /// nil is 0.
    let order: UInt32?
    /// The last resort, for records that do not say more.
    let id: String

    static func < (a: CreationOrder, b: CreationOrder) -> Bool {
        (a.created, a.order ?? 0, a.id) < (b.created, b.order ?? 0, b.id)
    }

    /// The `order` of what is made now, at `second`, after all of `others`; nil for the first of
    /// its second.
    static func next(at second: Int64, after others: some Sequence<CreationOrder>) -> UInt32? {
        let last = others.lazy.filter { $0.created == second }.map { $0.order ?? 0 }.max()
        // Saturated: the others may be records that nobody has verified.
        return last.map { $0 == .max ? $0 : $0 + 1 }
    }
}

extension Catalogue.DiskEntry {
    var place: CreationOrder {
        CreationOrder(created: manifest.created, order: manifest.order, id: manifest.id.text)
    }
}

extension Catalogue.SnapshotEntry {
    var place: CreationOrder {
        CreationOrder(created: manifest.created, order: manifest.order, id: manifest.id.text)
    }
}

extension Store {
    /// The `order` of a disk that is made at `second`. Called under `actions`, like what makes it.
    func diskOrder(at second: Int64) -> UInt32? {
        monitor.withLock {
            CreationOrder.next(at: second, after: catalogue.disks.values.lazy.map(\.place))
        }
    }

    /// The same for a snapshot.
    func snapshotOrder(at second: Int64) -> UInt32? {
        monitor.withLock {
            CreationOrder.next(at: second, after: catalogue.snapshots.values.lazy.map(\.place))
        }
    }
}
