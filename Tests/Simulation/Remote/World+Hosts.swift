import ChunkStore
import DiskFormat
import Scheduling

@testable import DiskEngine

/// A host that another has taken the store from, or is about to, while it still runs.
struct HostAway {
    let store: Store
    let host: SimulatedHost
    /// Calls that had failed when it was left.
    let failedBefore: Int
    var threads: [any RunningThread] = []
    /// From here on nothing of it may become part of a disk.
    var isTaken = false
}

// Worlds whose store lies in a bucket or a pool: hosts are lost, and fenced while they run.
extension World {
    /// Whether the present thread is one of a host that has lost the store, or will.
    var isAway: Bool { away != nil && scheduler.currentName.hasPrefix("away") }
    /// Whether nothing that the present thread does may become part of a disk.
    func isFenced(_ id: DiskID) -> Bool {
        isAway ? away?.isTaken ?? false : disks[id].map { $0.host != here } ?? false
    }

    func openFarAway(_ remote: any RemoteSide) throws -> Store {
        var attempts = 0
        let fencesWhole = away != nil && generator.chance(50)
        while true {
            let files = try remote.open(over: host)
            do {
                if let away, !away.isTaken {
                    return try openFencing(remote, files, asAWhole: fencesWhole)
                }
                if remote.isHadAsAWhole {
                    return try open(WholeStore(remote: files, isFencing: false) {})
                }
                return try open(files)
            } catch {
                // Who lost the store without a word has it until its lease has run out.
                let isLocked = (error as? DiskError)?.code == .storeLocked
                guard isLocked, !host.isDown, attempts < 40 else { throw error }
                attempts += 1
                remote.pause(quarters: 1)
            }
        }
    }

    /// Takes the store from the host that is left.
    private func openFencing(
        _ remote: any RemoteSide, _ files: any RemoteStore, asAWhole: Bool
    ) throws -> Store {
        // The anchor of the other knows of flushes that are on its host alone.
        if remote.kept == .saved, anchoring != nil { anchoring = newAnchor() }
        if asAWhole || remote.isHadAsAWhole {
            return try open(WholeStore(remote: files, isFencing: true) { self.fenced() })
        }
        return try open(LineageFencingStore(remote: files) { self.fenced() })
    }

    /// Attaches a disk. Of a host that was lost without a word it is had when the lease of that has
    /// run out.
    func attach(_ id: DiskID, _ store: Store) throws -> Disk {
        var attempts = 0
        // Of one that has detached it, it is had at once.
        let arrival = disks[id]?.arrival
        // Who ends at this may leave a lease of his own.
        if arrival != nil { disks[id]?.arrival = .otherwise }
        while true {
            do {
                return try store.attach(id)
            } catch {
                let isHeld = (error as? DiskError)?.code == .heldElsewhere
                var limit = 40
                if case .inOrder(let giver, let boot) = arrival, giver.boot == boot,
                    !haveCallsFailed
                {
                    limit = 0
                }
                guard isHeld, let remote, !host.isDown, attempts < limit else { throw error }
                attempts += 1
                remote.pause(quarters: 1)
            }
        }
    }

    private func open(_ files: any ChunkStore) throws -> Store {
        try Store(
            opening: files, keys: keys, holder: "simulation", anchor: anchoring,
            environment: environment, limits: limits)
    }

    /// Another host, with nothing in it.
    func replaceHost(_ remote: any RemoteSide) {
        (counts.kills, counts.powerLosses) = (
            counts.kills + host.kills, counts.powerLosses + host.powerLosses
        )
        counts.failedCalls += host.faults.failedCalls
        host = SimulatedHost(
            scheduler: scheduler, seed: generator.next(), capacity: host.capacity, seals: seals)
        remote.begin(host)
    }

    /// The host is gone, with all that was on it alone.
    func loseHost(_ remote: any RemoteSide, _ store: Store?) {
        counts.lostHosts += 1
        scheduler.note("the host is lost")
        if !host.isDown { host.crash(.kill) }
        try? store?.close()
        replaceHost(remote)
        noteLoss(remote)
    }

    /// What is far away is what is left.
    private func noteLoss(_ remote: any RemoteSide) {
        for id in disksHere { noteLoss(of: id, remote) }
        // It knows of flushes that were on the host alone.
        if remote.kept == .saved, anchoring != nil { anchoring = newAnchor() }
    }

    func noteLoss(of id: DiskID, _ remote: any RemoteSide) {
        if remote.kept == .acknowledged {
            disks[id]?.crashed(.kill, at: tick())
        } else {
            disks[id]?.lost()
        }
    }

    // MARK: A host that is taken from

    /// Clients go on here while another host takes the store.
    func leaveHostRunning(_ remote: any RemoteSide, _ store: Store) {
        counts.fencedHosts += 1
        scheduler.note("the host is left running")
        away = HostAway(
            store: store, host: host, failedBefore: host.faults.failedCalls)
        for number in 0..<generator.number(in: 1..<4) {
            let seed = generator.next()
            attempt("start client \(number) of the host that is left") {
                away?.threads.append(
                    try scheduler.start(name: "away \(number)") { self.work(seed, on: store) })
            }
        }
        if generator.chance(30) { remote.pause(quarters: generator.number(in: 1..<5)) }
        replaceHost(remote)
    }

    /// Another host has the store now.
    private func fenced() {
        scheduler.note("the host that is left is fenced")
        away?.isTaken = true
        if let remote { noteLoss(remote) }
    }

    /// The host that was left has heard of it, and ends.
    func endHostAway() {
        guard let away else { return }
        for thread in away.threads { thread.join() }
        try? away.store.close()
        if !away.host.isDown { away.host.crash(.kill) }
        counts.failedCalls += away.host.faults.failedCalls - away.failedBefore
        if !away.isTaken, let remote {
            // Nobody took the store: it is a host that was lost.
            noteLoss(remote)
        }
        self.away = nil
    }

    /// What an answer tells that comes to a client of a host which has lost the store.
    func checkFenced(_ what: String, wasFenced: Bool) {
        if wasFenced { violate("\(what) on a host that had lost the store") }
    }
}
