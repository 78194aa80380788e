import ChunkStore

// Whose cache it is, and which leases what waits in it is of.
extension Cache {
    private struct Owner {
        /// 32 hexadecimal digits, drawn when the folder was first used.
        let cache: String
        let epoch: UInt64
    }

    private static var owner: ObjectName {
        ObjectName("owner")!  // a constant that is a valid name
    }

    private static func epoch(of folder: ObjectName) -> ObjectName {
        within("epochs", folder)
    }

    private static func taking(_ folder: ObjectName?) -> ObjectName {
        within("taking", folder ?? ObjectName("store")!)  // a constant that is a valid name
    }

    /// The cache's own name, which leases tell.
    func identity(drawing random: (Int) -> [UInt8]) throws(StoreError) -> String {
        if let owner = try readOwner() { return owner.cache }
        let drawn = random(16).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
        try write(Owner(cache: drawn, epoch: 0))
        return drawn
    }

    /// Whether this cache had a folder last, or what lies in none: by the leases of the folder and
    /// of the store that were found. `cache` is its name.
    func hadLast(
        _ folder: ObjectName?, _ found: S3Store.FoundLease?, below store: S3Store.FoundLease?,
        _ cache: String
    ) throws(StoreError) -> Bool {
        let (mine, whole) = (found?.record, store?.record)
        let last = max(mine?.epoch ?? 0, whole?.epoch ?? 0)
        // Taken at the same moment, and not known by whom.
        if folder != nil, last > 0, mine?.epoch == whole?.epoch { return false }
        var known = try readOwner()?.epoch ?? 0
        if let folder { known = max(known, try number(in: Self.epoch(of: folder)) ?? 0) }
        if known == last { return true }
        // A process of this host ended when it had the lease and had not noted that.
        for (folder, record) in [(folder, mine), (nil, whole)] {
            guard let record, record.epoch == last, record.holder == cache else { continue }
            if try isTaking(folder) { return true }
        }
        return false
    }

    /// Notes, before a lease is put, whether what waits here is of the lease that comes: it is not
    /// lost then if this host's process ends right behind that.
    func prepareTaking(
        _ folder: ObjectName?, after last: UInt64, hadLast: Bool
    ) throws(StoreError) {
        guard hadLast else { return try removeIfThere(Self.taking(folder)) }
        try note(last, of: folder)
        try files.replaceObject(Self.taking(folder), with: [])
    }

    private func isTaking(_ folder: ObjectName?) throws(StoreError) -> Bool {
        do {
            _ = try files.readObject(Self.taking(folder), limit: 64)
            return true
        } catch {
            guard error.code == .notFound else { throw error }
            return false
        }
    }

    /// What waits from here on is of this epoch.
    func note(_ epoch: UInt64, of folder: ObjectName?) throws(StoreError) {
        if let folder {
            try files.replaceObject(Self.epoch(of: folder), with: Array("\(epoch)\n".utf8))
        } else if let owner = try readOwner() {
            try write(Owner(cache: owner.cache, epoch: epoch))
        }
        try removeIfThere(Self.taking(folder))
    }

    private func number(in name: ObjectName) throws(StoreError) -> UInt64? {
        do {
            let bytes = try files.readObject(name, limit: 64)
            return UInt64(String(decoding: bytes.dropLast(), as: UTF8.self))
        } catch {
            guard error.code == .notFound || error.code == .tooLarge else { throw error }
            return nil
        }
    }

    private func readOwner() throws(StoreError) -> Owner? {
        let bytes: [UInt8]
        do {
            bytes = try files.readObject(Self.owner, limit: 4096)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard parts.count == 3, parts[0] == "sealdisk-cache 1", parts[1].utf8.count == 32,
            let epoch = UInt64(parts[2])
        else {
            throw StoreError(
                .foreign, operation: "open the cache",
                cause: "its file `owner` is none that this program made; name another folder")
        }
        return Owner(cache: String(parts[1]), epoch: epoch)
    }

    private func write(_ owner: Owner) throws(StoreError) {
        try files.replaceObject(
            Self.owner, with: Array("sealdisk-cache 1\n\(owner.cache)\n\(owner.epoch)\n".utf8))
    }
}
