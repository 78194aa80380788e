import DiskFormat
import Scheduling

@testable import DiskEngine

// Worlds whose store two hosts have at the same time, each with disks of its own. The second one's
// threads have names that begin with `second`; it lives and dies by itself, while the first one
// does, and is gone before the last life.
extension World {
    /// What is done before each phase while two hosts are at work.
    func workWithSecondHost(_ store: Store) {
        if here == 0 { beginSecondHost(store) }
        guard hosts.count == 2, !isOver else { return }
        lookElsewhere(store)
        attachArrivals(store)
        for _ in 0..<generator.number(in: 0..<4) where !isOver {
            switch generator.number(in: 0..<4) {
            case 0: handOver(store)
            case 1: attachWhatTheOtherHas(store)
            case 2: makeEmptyDisk(store)
            default: changeAccount(store)
            }
        }
    }

    private func beginSecondHost(_ store: Store) {
        guard hasSecondHosts, second == nil, away == nil, let remote, generator.chance(60) else {
            return
        }
        counts.secondHosts += 1
        let other = SimulatedHost(
            scheduler: scheduler, seed: generator.next(), capacity: host.capacity, seals: seals)
        remote.begin(other)
        hosts.append(HostAtWork(host: other))
        handOver(store)
        let lives = generator.number(in: 1..<4)
        second = attempt("start the second host") {
            try scheduler.start(name: "second") {
                for _ in 0..<lives where self.violations.isEmpty {
                    self.liveHere(isLast: false, ending: self.dieOrEnd)
                }
            }
        }
        if second == nil { removeSecondHost(remote) }
    }

    /// Waits for its end; its disks are the first host's then.
    func endSecondHost() {
        guard let second, let remote else { return }
        second.join()
        self.second = nil
        removeSecondHost(remote)
    }

    private func removeSecondHost(_ remote: any RemoteSide) {
        let gone = hosts.removeLast().host
        (counts.kills, counts.powerLosses) = (
            counts.kills + gone.kills, counts.powerLosses + gone.powerLosses
        )
        for id in disks.keys.sorted() where disks[id]?.host == 1 {
            disks[id]?.host = 0
            noteLoss(of: id, remote)
        }
        for mark in disksInTheMaking.keys { disksInTheMaking[mark]?.host = 0 }
    }

    // MARK: Disks that go from one to the other

    /// Those of this host that have their lineage in common with one, which goes with them.
    private func family(of id: DiskID, at number: Int, _ store: Store) -> [DiskID] {
        guard let lineage = try? store.disk(id).lineage else { return [] }
        return disks.values.filter { $0.host == number }.map(\.id).sorted()
            .filter { (try? store.disk($0).lineage) == lineage }
    }

    /// The other host has a lineage's disks from now on.
    private func handOver(_ store: Store) {
        guard let remote, let id = generator.pick(disksHere),
            !disksInTheMaking.values.contains(where: { $0.host == here })
        else { return }
        let family = family(of: id, at: here, store)
        guard
            family.allSatisfy({
                store.attached($0) != nil && disks[$0]?.isBeingDeleted == false
            })
        else { return }
        for id in family {
            let isDone: Void? = attempt("detach \(id) for the other host") {
                try store.detach(id)
            }
            guard isDone != nil, !host.isDown, !hosts[here].isRobbed else { return }
            noteStored(id, begunAt: tick())
        }
        for id in family where disks[id]?.host == here {
            noteLoss(of: id, remote)
            disks[id]?.host = 1 - here
            disks[id]?.arrival =
                haveCallsFailed ? .otherwise : .inOrder(from: host, boot: host.boot)
            counts.handovers += 1
        }
    }

    /// What came from the other host is attached, and compared with what it had.
    private func attachArrivals(_ store: Store) {
        let arrived = arrivals
        // They may have been made since the last look.
        if !arrived.isEmpty { lookElsewhere(store) }
        for id in arrived where disks[id]?.host == here && !isOver {
            guard verifyAfterStart(id, store) else { continue }
            for snapshot in snapshotsHere where snapshots[snapshot]?.disk == id {
                verify(snapshot, store)
            }
        }
    }

    /// What the other has cannot be had here, unless it has let its lease run out.
    private func attachWhatTheOtherHas(_ store: Store) {
        let other = 1 - here
        let all = disks.values.filter { $0.host == other }.map(\.id).sorted()
            .filter { hosts[other].store?.attached($0) != nil && (try? store.disk($0)) != nil }
        guard let id = generator.pick(all) else { return }
        let (start, had) = (tick(), hosts[other].store?.attached(id))
        let stored = disks.mapValues(\.history.stored)
        scheduler.note("attach \(id), which the other host has")
        do {
            try store.attach(id)
        } catch let error as DiskError where error.code == .heldElsewhere {
            counts.heldElsewhere += 1
            return
        } catch {
            // It may be deleted at this moment.
            let isThere = disks[id].map { $0.host == other && !$0.isBeingDeleted } ?? false
            if isThere, !isExcused(error) { violate("attach \(id) of the other host: \(error)") }
            return
        }
        guard !host.isDown, let now = disks[id] else { return }
        if now.host == other {
            let has = hosts[other].host.isDown ? nil : hosts[other].store?.attached(id)
            if let had, has === had, !haveCallsFailed, remote?.doLeasesRunOut == false {
                violate("disk \(id) is attached here, and the other host has it")
            }
            rob(family(of: id, at: other, store), since: start, stored)
        }
        _ = verifyAfterStart(id, store)
    }

    /// Disks are here that the other host had, without its doing.
    private func rob(_ family: [DiskID], since start: Int, _ stored: [DiskID: Int]) {
        counts.robbedHosts += 1
        scheduler.note("the other host is robbed of \(family)")
        hosts[1 - here].isRobbed = true
        for id in family {
            if remote?.kept == .acknowledged {
                disks[id]?.crashed(.kill, at: start)
            } else {
                disks[id]?.lost(stored: stored[id] ?? 0)
            }
            disks[id]?.host = here
            disks[id]?.arrival = .otherwise
        }
        for mark in disksInTheMaking.keys { disksInTheMaking[mark]?.host = here }
    }

    private func makeEmptyDisk(_ store: Store) {
        let count = isSmall ? generator.number(in: 8..<60) : generator.magnitude(in: 8..<700)
        let isEncrypted = generator.chance(75)
        make("disk", content: [History.Stamp](repeating: 0, count: count * 8), store) {
            try store.createDisk(
                encrypted: isEncrypted, size: UInt64(count * 4096), attributes: $0)
        }
    }
}
