import DiskFormat

@testable import DiskEngine

/// What was asked to become part of the account's record, and what of it was acknowledged.
struct AccountHistory {
    var asked: Set<InstanceID> = []
    var made: Set<InstanceID> = []
}

// What each of two hosts sees of the other, and what they change in common.
extension World {
    /// What the other host has made by now is seen here, and nothing of what is deleted by now.
    func lookElsewhere(_ store: Store) {
        let known = Set(disks.values.filter { !$0.isBeingDeleted }.map(\.id))
        let knownSnapshots = Set(
            snapshots.values.filter { known.contains($0.disk) && !$0.isBeingDeleted }.map(\.id))
        let deleted = deletedDisks
        let isDone = attempt("look what the other host has done") { try store.refresh() }
        guard isDone != nil, !haveCallsFailed, !host.isDown, !hosts[here].isRobbed,
            let listed = attempt("list disks", { Set(try store.disks().map(\.id)) }),
            let listedSnapshots = attempt("list", { Set(try store.snapshots().map(\.id)) })
        else { return }
        for id in known.subtracting(listed).sorted() {
            // It may be deleted at this moment.
            guard let disk = disks[id], !disk.isBeingDeleted else { continue }
            violate("disk \(id) is not seen on the other host")
        }
        for id in knownSnapshots.subtracting(listedSnapshots).sorted() {
            guard let snapshot = snapshots[id], !snapshot.isBeingDeleted else { continue }
            violate("snapshot \(id) is not seen on the other host")
        }
        for id in deleted.intersection(listed).sorted() {
            violate("disk \(id) is deleted, and is seen on the other host")
        }
    }

    /// Something is added to the account's record in this host's turn.
    func changeAccount(_ store: Store) {
        guard let id = attempt("draw an id", { InstanceID(random: try store.drawID()) }) else {
            return
        }
        account.asked.insert(id)
        counts.accountChanges += 1
        scheduler.note("add \(id) to the account")
        do {
            let turn = try store.takeAccountTurn()
            defer { withExtendedLifetime(turn) {} }
            var (record, version) = try store.versionedAccountRecord()
            record.instances.append(
                AccountRecord.Instance(id: id, name: nil, description: nil, created: 0))
            if try store.replaceAccountRecord(record, of: version) {
                guard !host.isDown else { return }
                account.made.insert(id)
                answered()
            } else if !haveCallsFailed, remote?.doLeasesRunOut == false {
                violate("another host has changed the account's record in this host's turn")
            }
        } catch let error as DiskError where error.code == .heldElsewhere {
            // It is the other's turn, or that of one that was lost.
        } catch {
            if !isExcused(error) { violate("add \(id) to the account: \(error)") }
        }
    }

    /// Nothing that was added to the account is lost.
    func verifyAccount(_ store: Store) {
        guard let record = attempt("read the account", { try store.accountRecord() }) else {
            return
        }
        let found = Set(record.instances.map(\.id))
        if let id = account.made.subtracting(found).min() { violate("the account has lost \(id)") }
        if let id = found.subtracting(account.asked).min() {
            violate("nobody added \(id) to the account")
        }
    }
}
