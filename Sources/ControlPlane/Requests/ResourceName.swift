import DiskEngine
import DiskFormat

/// What disks and snapshots may be called. Names become file names of the mount, so what a record
/// says is checked again whenever it is read: the records of a store are not trusted.
public enum ResourceName {
    /// 1 to 128 characters of `[A-Za-z0-9._:-]`, the first a letter or digit.
    public static func isValid(_ name: String) -> Bool {
        guard (1...128).contains(name.utf8.count), let first = name.utf8.first else { return false }
        return ASCII.isAlphanumeric(first)
            && name.utf8.allSatisfy {
                ASCII.isAlphanumeric($0) || $0 == ASCII.dot || $0 == UInt8(ascii: "_")
                    || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "-")
            }
    }

    /// The least of an id that stands for the whole of it, where no other id begins so: as long as
    /// it takes not to mean another resource by a slip.
    public static let shortestIDPrefix = 8

    /// A disk's name, which must not look like an id: that would shadow another disk.
    public static func isValidForDisk(_ name: String) -> Bool {
        isValid(name) && DiskID(name) == nil
    }

    /// A snapshot's name, which must not look like an id either, nor end as the files do that stand
    /// beside a snapshot's in the mount.
    public static func isValidForSnapshot(_ name: String) -> Bool {
        isValid(name) && SnapshotID(name) == nil && !name.hasSuffix(".json")
            && !name.hasSuffix(".sealed")
    }

    /// An instance's name, which is neither an id's form nor the host's own.
    public static func isValidForInstance(_ name: String) -> Bool {
        isValid(name) && InstanceID(name) == nil && name != ControlPlane.localName
    }

    /// An image's or a policy's.
    static func isValidForOther(_ name: String) -> Bool {
        isValid(name) && ImageID(name) == nil && SnapshotPolicyID(name) == nil
    }
}

/// The control plane's own attributes in a resource's record.
enum Attribute {
    static let diskName = "DiskName"
    static let snapshotName = "SnapshotName"
    static let description = "Description"
    static let category = "Category"
    static let clientToken = "ClientToken"
    /// SHA-256 of the request that the client token came with.
    static let clientRequest = "ClientRequest"
    /// The instance that the disk was made with.
    static let madeWith = "MadeWith"
    /// `true`: the disk goes when its instance is deleted.
    static let deleteWithInstance = "DeleteWithInstance"
    /// `true`: the snapshots that a policy took go with the disk.
    static let deleteAutoSnapshot = "DeleteAutoSnapshot"
    /// `true`: the disk is no faster than its category.
    static let limitSpeed = "LimitSpeed"
    /// The policy that took a snapshot, and when it goes (seconds since 1970; none: never).
    static let policy = "SnapshotPolicy"
    static let expires = "Expires"

    /// Parameters that are true or false, and the attributes that keep them.
    static let flags: KeyValuePairs<String, String> = [
        "DeleteWithInstance": deleteWithInstance, "DeleteAutoSnapshot": deleteAutoSnapshot,
        "LimitSpeed": limitSpeed,
    ]
}

extension ResourceName {
    /// The name that a disk with these attributes was given; nil when it has none, or one that may
    /// not be.
    public static func ofDisk(_ attributes: [String: String]) -> String? {
        attributes[Attribute.diskName].flatMap { isValidForDisk($0) ? $0 : nil }
    }

    /// The same of a snapshot.
    public static func ofSnapshot(_ attributes: [String: String]) -> String? {
        attributes[Attribute.snapshotName].flatMap { isValidForSnapshot($0) ? $0 : nil }
    }
}

extension DiskSummary {
    /// See `ResourceName.ofDisk`.
    public var givenName: String? { ResourceName.ofDisk(attributes) }
}

extension SnapshotSummary {
    /// See `ResourceName.ofSnapshot`.
    public var givenName: String? { ResourceName.ofSnapshot(attributes) }
}
