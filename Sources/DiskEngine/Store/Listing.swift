import DiskFormat

/// What a listing keeps order of.
protocol Listed {
    var lineage: LineageID { get }
    /// The disk it belongs to; nil if it belongs to none.
    var owner: DiskID? { get }
    var place: CreationOrder { get }
    var attributes: [String: String] { get }
}

/// The disks of a store, or its snapshots: what is asked of one of them costs no look at the
/// others. There may be thousands.
///
/// Invariants (`checkInvariants()`): the counts and the index say what the entries say; `revision`
/// rises whenever one comes, goes, or gets other attributes.
struct Listing<ID: Hashable & Sendable, Entry: Listed> {
    /// An attribute with its value.
    private struct Attribute: Hashable {
        let name: String
        let value: String
    }

    private var entries: [ID: Entry] = [:]
    private var byAttribute: [Attribute: Set<ID>] = [:]
    private var byLineage: [LineageID: Int] = [:]
    private var byOwner: [DiskID: Int] = [:]
    /// The highest order that any had that was made in a second.
    private var lastOrder: [Int64: UInt32] = [:]
    private(set) var revision: UInt64 = 0

    var values: Dictionary<ID, Entry>.Values { entries.values }
    var count: Int { entries.count }

    func count(in lineage: LineageID) -> Int { byLineage[lineage, default: 0] }
    func count(of owner: DiskID) -> Int { byOwner[owner, default: 0] }

    /// Those with this very value of an attribute.
    func ids(with attribute: String, _ value: String) -> Set<ID> {
        byAttribute[Attribute(name: attribute, value: value)] ?? []
    }

    /// The `order` of what is made now, at `second`, after all others; nil for the first of its
    /// second. Those that are gone count, too.
    func nextOrder(at second: Int64) -> UInt32? {
        // Saturated: the others may be records that nobody has verified.
        lastOrder[second].map { $0 == .max ? $0 : $0 + 1 }
    }

    subscript(id: ID) -> Entry? {
        get { entries[id] }
        set {
            let old = entries[id]
            entries[id] = newValue
            if let old, let newValue, old.lineage == newValue.lineage,
                old.owner == newValue.owner, old.place == newValue.place,
                old.attributes == newValue.attributes
            {
                return
            }
            if old == nil, newValue == nil { return }
            if let old { remove(old, id) }
            if let newValue { add(newValue, id) }
            revision += 1
        }
    }

    private mutating func add(_ entry: Entry, _ id: ID) {
        byLineage[entry.lineage, default: 0] += 1
        if let owner = entry.owner { byOwner[owner, default: 0] += 1 }
        let order = entry.place.order ?? 0
        lastOrder[entry.place.created] = max(order, lastOrder[entry.place.created] ?? 0)
        for (name, value) in entry.attributes {
            byAttribute[Attribute(name: name, value: value), default: []].insert(id)
        }
    }

    private mutating func remove(_ entry: Entry, _ id: ID) {
        byLineage[entry.lineage] = byLineage[entry.lineage].flatMap { $0 > 1 ? $0 - 1 : nil }
        if let owner = entry.owner {
            byOwner[owner] = byOwner[owner].flatMap { $0 > 1 ? $0 - 1 : nil }
        }
        for (name, value) in entry.attributes {
            let attribute = Attribute(name: name, value: value)
            byAttribute[attribute]?.remove(id)
            if byAttribute[attribute]?.isEmpty == true { byAttribute[attribute] = nil }
        }
    }
}

extension Listing {
    /// Traps if an index is not what the entries say. For tests.
    func checkInvariants() {
        var fresh = Listing()
        for (id, entry) in entries { fresh[id] = entry }
        // Each change of an entry goes through the subscript, which changes them all.
        precondition(
            fresh.byLineage == byLineage && fresh.byOwner == byOwner
                && fresh.byAttribute == byAttribute
                && fresh.lastOrder.allSatisfy { lastOrder[$0.key] ?? 0 >= $0.value })
    }
}
