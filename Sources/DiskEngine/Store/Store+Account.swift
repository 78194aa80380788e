import ChunkStore
import CryptoPrimitives
import DiskFormat

// What an account has besides disks and snapshots is the control plane's; the store keeps it.
extension Store {
    /// The record as it is stored; an empty one if there is none. Throws `.damaged`,
    /// `.unsupported`, `.io`.
    public func accountRecord() throws -> AccountRecord { try versionedAccountRecord().record }

    /// The same with its version; nil: there is none.
    public func versionedAccountRecord() throws -> (record: AccountRecord, version: ObjectVersion?)
    {
        do {
            return try sealed.readAccount(store: identity.storeID)
        } catch let error as StoreError where error.code == .notFound {
            return (AccountRecord(store: identity.storeID), nil)
        } catch {
            let cause = DiskError.wrap(error, while: "reading \(StoreLayout.account)")
            throw DiskError(
                cause.code, "\(cause.message). \(Self.accountAdvice)", cause: cause)
        }
    }

    /// What to do about a record that makes no sense.
    static let accountAdvice =
        "Put \(StoreLayout.account) back from a copy of the store, or remove it: then there are no"
        + " instances, images and snapshot policies any more; disks and snapshots stay as they are."

    /// Replaces it, durably and whole or not at all. Throws `.limit` for one that is too large,
    /// `.noSpace`, `.io`.
    public func replaceAccountRecord(_ record: AccountRecord) throws {
        try acting("writing \(StoreLayout.account)") {
            try sealed.replaceAccount(record)
        }
    }

    /// The same, if it is of that version still (nil: there is none). False if it is not: another
    /// host has changed it, and nothing was done.
    public func replaceAccountRecord(
        _ record: AccountRecord, of version: ObjectVersion?
    ) throws -> Bool {
        try acting("writing \(StoreLayout.account)") {
            do {
                try sealed.replaceAccount(record, if: version.map { .version($0) } ?? .absent)
                return true
            } catch let error as StoreError {
                guard error.code == .conflict || error.code == .alreadyExists else { throw error }
                return false
            }
        }
    }

    /// 20 random bytes, of which a new id is made.
    public func drawID() throws -> [UInt8] {
        do {
            return try environment.entropy.bytes(20)
        } catch {
            throw DiskError.wrap(error, while: "drawing an id")
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z, by the store's clock.
    public var time: Int64 { environment.clock.now().seconds }
}
