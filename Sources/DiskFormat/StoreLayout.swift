/// The names of things in a store, relative to its root.
///
/// ```
/// store.json                              what store this is
/// account.json                            instances, images and snapshot policies
/// reserve                                 space set aside
/// lineages/LINEAGE/lineage.manifest       wrapped data key, sessions, lanes
/// lineages/LINEAGE/deleted                nothing of the lineage is wanted any more
/// lineages/LINEAGE/reclaim                something is dead that was not given back yet
/// lineages/LINEAGE/disks/d-….manifest     a disk
/// lineages/LINEAGE/disks/d-….pending      a size asked for while the disk was detached
/// lineages/LINEAGE/snapshots/s-….manifest a snapshot
/// lineages/LINEAGE/chunks/LLLL/GGGGGG/SSSSSSSS.chunk
///                                         lane, sequence / 256, sequence, in hexadecimal
/// ```
public enum StoreLayout {
    public static let store = "store.json"
    public static let account = "account.json"
    public static let reserve = "reserve"
    public static let lineages = "lineages"

    public static func lineage(_ id: LineageID) -> String { "\(lineages)/\(id)" }
    public static func lineageManifest(_ id: LineageID) -> String {
        "\(lineage(id))/lineage.manifest"
    }
    public static func deletionMark(_ id: LineageID) -> String {
        "\(lineage(id))/\(deletionMarkName)"
    }
    public static let deletionMarkName = "deleted"
    /// A hint, worth nothing to an attacker: all it can cause is a look at what is live.
    public static func reclaimMark(_ id: LineageID) -> String { "\(lineage(id))/reclaim" }
    public static func disks(_ id: LineageID) -> String { "\(lineage(id))/disks" }
    public static func disk(_ id: LineageID, _ disk: DiskID) -> String {
        "\(disks(id))/\(disk)\(manifestSuffix)"
    }
    public static func pendingSize(_ id: LineageID, _ disk: DiskID) -> String {
        "\(disks(id))/\(disk).pending"
    }
    public static func snapshots(_ id: LineageID) -> String { "\(lineage(id))/snapshots" }
    public static func snapshot(_ id: LineageID, _ snapshot: SnapshotID) -> String {
        "\(snapshots(id))/\(snapshot)\(manifestSuffix)"
    }

    public static func chunks(_ id: LineageID) -> String { "\(lineage(id))/chunks" }
    public static func lane(_ id: LineageID, _ lane: UInt16) -> String {
        "\(chunks(id))/\(laneName(lane))"
    }
    public static func chunk(_ id: LineageID, _ number: ChunkNumber) -> String {
        let group = hexadecimal(UInt64(number.sequence >> 8), digits: 6)
        return "\(lane(id, number.lane))/\(group)/\(chunkName(number.sequence))"
    }

    public static let manifestSuffix = ".manifest"
    static let chunkSuffix = ".chunk"

    /// The sequence that a chunk file's name stands for, or nil if it is not one the engine gives.
    public static func sequence(ofChunkNamed name: String) -> UInt32? {
        guard name.utf8.count == 8 + chunkSuffix.utf8.count, name.hasSuffix(chunkSuffix) else {
            return nil
        }
        guard let sequence = UInt32(name.prefix(8), radix: 16),
            (1...ChunkNumber.maximumSequence).contains(sequence), chunkName(sequence) == name
        else { return nil }
        return sequence
    }

    /// The lane that a folder's name stands for, or nil if it is not such a name.
    public static func lane(named name: String) -> UInt16? {
        guard name.utf8.count == 4, let lane = UInt16(name, radix: 16),
            lane <= ChunkNumber.maximumLane, laneName(lane) == name
        else { return nil }
        return lane
    }

    private static func chunkName(_ sequence: UInt32) -> String {
        hexadecimal(UInt64(sequence), digits: 8) + chunkSuffix
    }

    private static func laneName(_ lane: UInt16) -> String {
        hexadecimal(UInt64(lane), digits: 4)
    }

    private static func hexadecimal(_ value: UInt64, digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}
