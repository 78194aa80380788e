import CRados
import ChunkStore
import Glibc

extension RADOSStore {
    /// Of the cluster, less what its copies take, and of the pool's quota, if it has one: whichever
    /// is smaller. Throws `.notFound` if the pool is gone.
    ///
    /// The monitors tell a quota together with what the pool holds, which they have from the
    /// manager: until it has told them of a new pool, for a second or as long as there is none,
    /// they know neither (ENOENT), and the quota does not count. The cluster enforces it no sooner.
    public func capacity() throws(StoreError) -> StoreCapacity {
        let operation = "capacity of \(place)"
        var cluster = rados_cluster_stat_t()
        try check(session.rados.cluster_stat(session.cluster, &cluster), operation)
        // This one the monitors know of each pool that there is.
        guard let copies = try poolNumber("osd pool get", "size", operation), copies > 0 else {
            throw StoreError(
                .notFound, operation: operation, cause: "the cluster has no pool \(place.pool)")
        }
        var total = cluster.kb * 1024 / copies
        var available = cluster.kb_avail * 1024 / copies
        if let quota = try poolNumber("osd pool get-quota", "quota_max_bytes", operation),
            quota > 0,
            // Lengths, which the quota counts; `rados_ioctx_pool_stat` tells what is stored.
            let used = try poolNumber("osd pool get-quota", "current_num_bytes", operation)
        {
            total = min(total, quota)
            available = min(available, quota - min(quota, used))
        }
        return StoreCapacity(total: max(total, available), available: available)
    }

    /// Ceph keeps no space for anybody, but a pool's quota and the fill of its disks count bytes
    /// that are there: so the reserve is bytes, at random, since zeros may be compressed. What it
    /// gives back may be taken by others who use the pool, as on any medium that is shared.
    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        let operation = "reserve \(name)"
        try checkWritable(operation)
        var entry = try folders.find(name, operation)
        let held = entry?.entry.placement
        if entry != nil, held == nil {
            throw StoreError(.foreign, operation: operation, cause: "it is not a reserve")
        }
        if bytes == 0 {
            if let entry { _ = try remove(name, entry, operation) }
            return 0
        }
        let length = max(bytes, held?.length ?? 0)
        let pieces = Pieces(session: session, id: held?.id ?? Entry.newID(), length: length)
        // The name is there first, at the full length: no crash leaves pieces that nobody knows of.
        if length != held?.length {
            entry = try setReserve(name, entry, pieces.id, length, operation)
        }
        let kept = held == nil ? 0 : try Self.filled(pieces, operation)
        let end = kept < bytes ? try fill(pieces, from: kept, to: bytes, operation) : bytes
        if end < length { try pieces.deallocate(end..<length, operation) }
        if end == 0 {
            if let entry { _ = try remove(name, entry, operation) }
        } else if end != length {
            _ = try setReserve(name, entry, pieces.id, end, operation)
        }
        return end
    }

    /// What stands aside under a name, as far as its entry says it.
    func reserved(_ name: ObjectName) throws(StoreError) -> UInt64 {
        try folders.find(name, "look at \(name)")?.entry.placement?.length ?? 0
    }

    private func setReserve(
        _ name: ObjectName, _ old: Folders.Found?, _ id: String, _ length: UInt64,
        _ operation: String
    ) throws(StoreError) -> Folders.Found {
        let entry = Entry.chunk(Placement(id: id, length: length))
        guard try folders.replace(name, old, with: entry, operation) else {
            throw StoreError(
                .io, operation: operation, cause: "somebody else changes it at the same time")
        }
        return Folders.Found(entry: entry, encoded: entry.encoded, bytes: [])
    }

    /// Bytes from the beginning that are there without a gap.
    private static func filled(
        _ pieces: Pieces, _ operation: String
    ) throws(StoreError) -> UInt64 {
        var end: UInt64 = 0
        for range in try pieces.sizes(operation) where range.lowerBound == end {
            end = range.upperBound
        }
        return end
    }

    /// Writes until `end` or until the pool is full; where it came to.
    private func fill(
        _ pieces: Pieces, from start: UInt64, to end: UInt64, _ operation: String
    ) throws(StoreError) -> UInt64 {
        var random = SystemRandomNumberGenerator()
        let noise = (0..<(1 << 15)).flatMap { _ in
            withUnsafeBytes(of: random.next() as UInt64) { Array($0) }
        }
        var position = start
        while position < end {
            let count = min(end - position, UInt64(noise.count))
            do throws(StoreError) {
                try noise.withBytes { (bytes) throws(StoreError) in
                    let part = UnsafeRawBufferPointer(rebasing: bytes[..<Int(count)])
                    try pieces.write(part, at: position, operation)
                }
            } catch {
                if error.code == .noSpace { return position }
                throw error
            }
            position += count
        }
        return position
    }

    /// A number that the monitors know of the pool, out of their answer in JSON; nil: they know
    /// none (ENOENT).
    private func poolNumber(
        _ command: String, _ field: String, _ operation: String
    ) throws(StoreError) -> UInt64? {
        let setting = command == "osd pool get" ? #","var":"\#(field)""# : ""
        let text = #"{"prefix":"\#(command)","pool":"\#(place.pool)"\#(setting),"format":"json"}"#
        var output: UnsafeMutablePointer<CChar>?
        var count = 0
        let code = text.withCString { text in
            var command: UnsafePointer<CChar>? = text
            return session.rados.mon_command(
                session.cluster, &command, 1, nil, 0, &output, &count, nil, nil)
        }
        defer { if let output { session.rados.buffer_free(output) } }
        if code == -ENOENT { return nil }
        try check(code, "\(operation): \(command) \(field)")
        guard let output else { return nil }
        let reply = String(
            decoding: UnsafeRawBufferPointer(start: output, count: count), as: UTF8.self)
        // The names and numbers of these answers have neither quotes nor blanks in them.
        let words = reply.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
        guard let index = words.lastIndex(of: Substring(field)), index + 1 < words.count,
            let number = UInt64(words[index + 1])
        else {
            throw StoreError(
                .io, operation: operation, cause: "the monitors do not tell the pool's \(field)")
        }
        return number
    }
}
