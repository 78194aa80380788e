import ChunkStore

extension PoolStore {
    func takeFolder(
        _ folder: ObjectName, holder: String, isFencing: Bool
    ) throws(StoreError) -> TakenFolder {
        begin(folder)
        defer { end(folder) }
        var isUnchanged = true
        if let part = taken[folder] {
            // Who has it still must let go of it before it can be had anew.
            try part.client.checkStanding("take \(folder)")
        } else {
            isUnchanged = try takeAnew(folder, holder, isFencing: isFencing)
        }
        taken[folder]?.users += 1
        return TakenFolder(
            lock: PoolStoreLock { [self] in
                begin(folder)
                defer { end(folder) }
                taken[folder]?.users -= 1
                if taken[folder]?.users == 0 { giveBack(folder) }
            }, isUnchanged: isUnchanged)
    }

    /// True if nobody else had it since this process had it.
    private func takeAnew(
        _ folder: ObjectName, _ holder: String, isFencing: Bool
    ) throws(StoreError) -> Bool {
        let call = "take \(folder)"
        // Whoever is about to have the whole is not disturbed.
        _ = try settleWhole(call, isFencing: false)
        let client = PoolClient(pool, process)
        let lease = try PoolLease.take(
            folder.path, by: client, holder, isFencing: isFencing)
        do throws(StoreError) {
            let whole = try settleWhole(call, isFencing: false)
            try client.change(call, [.clean(folder.path)])
            let found = Past(part: lease.before, whole: whole)
            taken[folder] = TakenPoolFolder(
                client: client, lease: lease, past: Past(part: lease.cookie, whole: whole),
                users: 0)
            return past[folder] == found
        } catch {
            lease.release()
            throw error
        }
    }

    func giveBack(_ folder: ObjectName) {
        guard let part = taken[folder] else { return }
        past[folder] = part.lease.release() ? part.past : nil
        part.client.finish("this host has given back \(folder)")
        taken[folder] = nil
    }

    private func begin(_ folder: ObjectName) {
        passes.withLock {
            while passing.contains(folder) { passes.wait() }
            passing.insert(folder)
        }
    }

    private func end(_ folder: ObjectName) {
        passes.withLock {
            passing.remove(folder)
            passes.announce()
        }
    }

    func holders() throws(StoreError) -> [ObjectName: String] {
        let found = try base().read("look at who has what") { contents in
            contents.locks.compactMapValues { lock in
                lock.holder.flatMap { $0.client.isLeaseAlive ? $0.name : nil }
            }
        }
        var holders: [ObjectName: String] = [:]
        for (scope, name) in found {
            if let folder = ObjectName(scope), taken[folder] == nil { holders[folder] = name }
        }
        return holders
    }

    func versions(
        below folder: ObjectName
    ) throws(StoreError) -> [ObjectName: ObjectVersion] {
        try base().read("look at versions below \(folder)") { contents in
            var versions: [ObjectName: ObjectVersion] = [:]
            for (path, entry) in contents.names where path.hasPrefix("\(folder)/") {
                guard case .object = entry.kind, let name = ObjectName(path) else { continue }
                versions[name] = entry.version
            }
            return versions
        }
    }
}

extension PoolContents.Entry {
    var version: ObjectVersion { ObjectVersion(Array("\(id)".utf8)) }
}
