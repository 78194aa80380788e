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
        monitor.withLock { catalogue.disks.nextOrder(at: second) }
    }

    /// The same for a snapshot.
    func snapshotOrder(at second: Int64) -> UInt32? {
        monitor.withLock { catalogue.snapshots.nextOrder(at: second) }
    }
}
