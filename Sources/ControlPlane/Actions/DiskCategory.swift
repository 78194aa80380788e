import DiskEngine
import DiskFormat

/// What kind of storage a disk would be in the cloud: it decides what is allowed, how large a disk
/// that names it may be, and how fast it is where limits are switched on.
///
/// Sizes and speeds are those that the vendor publishes for the category.
struct DiskCategory: Sendable, Hashable {
    let name: String
    /// GiB.
    let sizes: ClosedRange<UInt64>
    /// Whether it is shared block storage: attached to several instances at a time.
    var isShared: Bool { name.hasPrefix("san_") }
    /// Operations and bytes a second of a disk of so many GiB.
    let speed: @Sendable (UInt64) -> DiskSpeed

    static func == (a: Self, b: Self) -> Bool { a.name == b.name }
    func hash(into hasher: inout Hasher) { hasher.combine(name) }

    /// What a disk is of that names none.
    static let usual = "cloud_essd"

    static let all: [DiskCategory] = [
        DiskCategory("cloud", 5...2000) { _ in DiskSpeed(operations: 300, megabytes: 40) },
        DiskCategory("cloud_efficiency", 20...32_768) { size in
            DiskSpeed(
                operations: min(1800 + 8 * size, 5000), megabytes: min(100 + 15 * size / 100, 140))
        },
        DiskCategory("cloud_ssd", 20...32_768) { size in
            DiskSpeed(
                operations: min(1800 + 30 * size, 25_000), megabytes: min(120 + size / 2, 300))
        },
        DiskCategory("cloud_essd", 20...32_768) { size in
            DiskSpeed(
                operations: min(1800 + 50 * size, 50_000), megabytes: min(120 + size / 2, 350))
        },
        DiskCategory("san_efficiency", 20...32_768) { size in
            DiskSpeed(
                operations: min(1000 + 6 * size, 5000), megabytes: min(50 + size / 10, 160))
        },
        DiskCategory("san_ssd", 20...32_768) { size in
            DiskSpeed(
                operations: min(1600 + 40 * size, 30_000), megabytes: min(100 + size / 2, 512))
        },
    ]

    private init(
        _ name: String, _ sizes: ClosedRange<UInt64>,
        _ speed: @escaping @Sendable (UInt64) -> DiskSpeed
    ) {
        self.name = name
        self.sizes = sizes
        self.speed = speed
    }

    static func named(_ name: String) -> DiskCategory? { all.first { $0.name == name } }

    /// The category of a disk's record; the usual one where it holds none that there is.
    static func of(_ attributes: [String: String]) -> DiskCategory {
        attributes[Attribute.category].flatMap { named($0) } ?? named(usual)!  // one of `all`
    }

    /// Throws `InvalidDiskSize.NotSupported` for a size in bytes that the category does not have.
    func check(_ size: UInt64) throws(Refusal) {
        guard size < sizes.lowerBound << 30 || size > sizes.upperBound << 30 else { return }
        throw Refusal(
            .sizeNotSupported,
            "A disk of category \(name) has \(sizes.lowerBound) to \(sizes.upperBound) GiB, not"
                + " \(ByteSize.text(size)).",
            recommend: "Give such a `Size`, another `DiskCategory`, or none: then any size will do."
        )
    }

    /// Local disks come and go with the machine: they exist here only to be refused.
    static func isLocal(_ name: String) -> Bool {
        name == "ephemeral" || name == "ephemeral_ssd" || name.hasPrefix("local_")
    }
}

/// How fast a disk may be.
public struct DiskSpeed: Sendable, Hashable {
    /// What a disk is held to; nil: nothing. `isForAll`: also one whose record does not ask for it.
    public static func limit(of disk: DiskSummary, isForAll: Bool) -> DiskSpeed? {
        guard isForAll || disk.has(Attribute.limitSpeed) else { return nil }
        let gibibytes = max(disk.size >> 30, 1)
        return DiskCategory.of(disk.attributes).speed(gibibytes)
    }

    /// Reads and writes a second.
    public let operations: UInt64
    /// Bytes a second.
    public let bytes: UInt64

    /// - Parameter megabytes: 10⁶ bytes a second.
    public init(operations: UInt64, megabytes: UInt64) {
        self.operations = operations
        bytes = megabytes * 1_000_000
    }
}
