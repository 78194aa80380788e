import CRados
import ChunkStore
import Glibc

/// The orders of the cluster's class `lock` that are put together with others to one change. Their
/// encoding is Ceph's own (cls_lock_ops.h), which every version since has to read: version 1,
/// readable from 1 on, the length of what follows, then the fields, little-endian.
enum LockClass {
    static let name = "sealdisk"

    /// Takes the lock for `length`; -EBUSY if somebody has it.
    static func take(_ cookie: String, length: Duration, description: String) -> [UInt8] {
        let exclusive: UInt8 = 1
        var fields = text(name) + [exclusive] + text(cookie) + text("") + text(description)
        fields += number(UInt32(length.nanoseconds / 1_000_000_000))
        fields += number(UInt32(length.nanoseconds % 1_000_000_000))
        return framed(fields + [0])
    }

    static func release(_ cookie: String) -> [UInt8] { framed(text(name) + text(cookie)) }

    /// Of those who hold it now: a lock whose lease has ended is not among them.
    static func cookies(
        of object: String, _ session: Session, _ operation: String
    ) throws(StoreError) -> [String] {
        var isExclusive: Int32 = 0
        // What is taken here has no tag, one holder, and names that are shorter.
        var (tag, clients, cookies, addresses) = (Self.room, Self.room, Self.room, Self.room)
        var (tagCount, clientsCount) = (tag.count, clients.count)
        var (cookiesCount, addressesCount) = (cookies.count, addresses.count)
        let code = session.rados.list_lockers(
            session.pool, object, name, &isExclusive, &tag, &tagCount, &clients, &clientsCount,
            &cookies, &cookiesCount, &addresses, &addressesCount)
        if code == -Int(ENOENT) { return [] }
        try check(Int32(clamping: code), operation)
        return cookies[..<min(cookiesCount, cookies.count)].split(separator: 0).map { text in
            String(decoding: text.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    private static var room: [CChar] { [CChar](repeating: 0, count: 1024) }

    private static func framed(_ fields: [UInt8]) -> [UInt8] {
        [1, 1] + number(UInt32(fields.count)) + fields
    }

    private static func text(_ text: String) -> [UInt8] {
        number(UInt32(text.utf8.count)) + Array(text.utf8)
    }

    private static func number(_ value: UInt32) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}
