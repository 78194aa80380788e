import ChunkStore
import DiskFormat

@testable import DiskEngine
@testable import LocalStore

extension World {
    /// Reads sectors by `read`, piece by piece, and says whose each is.
    func stamps(
        of sectors: Range<Int>, _ read: (UnsafeMutableRawBufferPointer, UInt64) throws -> Void
    ) throws -> [History.Stamp] {
        var bytes = [UInt8](repeating: 0xEE, count: sectors.count * Content.sectorSize)
        try bytes.withUnsafeMutableBytes {
            try read($0, UInt64(sectors.lowerBound * Content.sectorSize))
        }
        return try Content.stamps(bytes, sectors)
    }

    func content(of disk: Disk) throws -> [History.Stamp] {
        try stamps(of: 0..<Int(disk.size) / Content.sectorSize) { try disk.read(into: $0, at: $1) }
    }

    // MARK: After a start

    /// Attaches every disk and compares it, and every snapshot, with what the last life may have
    /// left. False if this life cannot go on.
    func verifyAfterStart(_ store: Store) -> Bool {
        findWhatWasInTheMaking(store)
        let ours = disksHere + arrivals
        // What came from the other host may have been made since the store was opened.
        if !arrivals.isEmpty { lookElsewhere(store) }
        for id in ours where !verifyAfterStart(id, store) { return false }
        guard !host.isDown else { return false }
        let listed = Set((try? store.snapshots())?.map(\.id) ?? [])
        for (id, snapshot) in snapshots.sorted(by: { $0.key < $1.key })
        where disks[snapshot.disk].map({ $0.host == here && $0.arrival == nil }) ?? true {
            if listed.contains(id) {
                snapshots[id]?.isBeingDeleted = false
                snapshots[id]?.users = 0
                // Without a disk of its lineage nobody has its key.
                if disks[snapshot.disk] != nil { verify(id, store) } else { snapshots[id] = nil }
            } else {
                if !snapshot.isBeingDeleted, !haveCallsFailed {
                    violate("snapshot \(id) is gone")
                }
                snapshots[id] = nil
            }
        }
        return !isOver
    }

    /// The same of one disk, which is attached if it is not.
    func verifyAfterStart(_ id: DiskID, _ store: Store) -> Bool {
        guard let expected = disks[id] else { return true }
        guard let summary = try? store.disk(id) else {
            if expected.isBeingDeleted {
                disks[id] = nil
            } else if !haveCallsFailed, !host.isDown {
                violate("disk \(id) is gone: \(store.damage())")
            }
            return !host.isDown && violations.isEmpty
        }
        disks[id]?.isBeingDeleted = false
        _ = summary
        guard let disk = attempt("attach \(id)", { try store.attached(id) ?? attach(id, store) }),
            let found = attempt("read all of \(id)", { try content(of: disk) })
        else { return false }
        if let fault = fault(in: found, of: expected) {
            violate("after the start, disk \(id): \(fault)")
            return false
        }
        resolveSnapshots(of: id, store)
        if host.isDown { return false }
        // What recovery accepted is durable.
        settle(id, on: found)
        return true
    }

    /// The content of a disk is known, and durable.
    func settle(_ id: DiskID, on content: [History.Stamp]) {
        disks[id]?.settle(on: content)
        for (start, request) in snapshotsInTheMaking where request.disk == id {
            snapshotsInTheMaking[start]?.isForgotten = true
        }
    }

    private func fault(in found: [History.Stamp], of disk: SimulatedDisk) -> String? {
        if let other = disk.rollingBackTo, found == other { return nil }
        func fault(in history: History, must: Int) -> String? {
            var history = history
            if let size = disk.resizingTo, found.count == size { history.grow(to: size) }
            return history.fault(inPrefix: found, must: must)
        }
        guard let text = fault(in: disk.history, must: disk.must ?? 0) else { return nil }
        let isEarlier =
            disk.isHostLost
            && disk.earlier.contains {
                fault(in: $0, must: $0.stored) == nil
            }
        return isEarlier ? nil : text
    }

    /// What was acknowledged before `time` is far away, too.
    func noteStored(_ id: DiskID, begunAt time: Int) {
        guard remote != nil else { return }
        disks[id]?.store(begunAt: time)
    }

    /// Snapshots and clones that a crash came between may be there or not. Only a snapshot's disk
    /// tells what it may hold, so this comes before the disks' histories are forgotten.
    private func findWhatWasInTheMaking(_ store: Store) {
        for summary in (try? store.disks()) ?? [] where disks[summary.id] == nil {
            if deletedDisks.contains(summary.id) { continue }
            let mark = summary.attributes[DiskInTheMaking.attribute]
            guard let making = mark.flatMap({ disksInTheMaking[$0] }) else {
                if !haveCallsFailed { violate("nobody made disk \(summary.id)") }
                continue
            }
            // The other host is about to hear of it.
            if making.host != here { continue }
            disks[summary.id] = SimulatedDisk(
                id: summary.id, content: making.content, host: here)
        }
        disksInTheMaking = disksInTheMaking.filter { $0.value.host != here }
    }

    private func resolveSnapshots(of id: DiskID, _ store: Store) {
        let listed = (try? store.snapshots()) ?? []
        for summary in listed where summary.disk == id && snapshots[summary.id] == nil {
            let requests = snapshotsInTheMaking.filter { $0.value.disk == id }
            guard
                let request = requests.first(where: { $0.value.id == summary.id })
                    ?? requests.filter({ $0.value.id == nil }).min(by: { $0.key < $1.key })
            else {
                violate("nobody made snapshot \(summary.id)")
                continue
            }
            adopt(summary.id, request.key, store)
            if host.isDown { return }
        }
        for (start, request) in snapshotsInTheMaking.sorted(by: { $0.key < $1.key })
        where request.disk == id {
            if let made = request.id, !listed.contains(where: { $0.id == made }) {
                violate("snapshot \(made) is gone")
            }
            if !haveCallsFailed { snapshotsInTheMaking[start] = nil }
        }
    }

    // MARK: Snapshots

    /// Reads a new snapshot: it must be one moment of its disk.
    func adopt(_ id: SnapshotID, _ start: Int, _ store: Store) {
        guard let request = snapshotsInTheMaking[start], let disk = disks[request.disk],
            let found = attempt("read new snapshot \(id)", { try content(of: id, store) })
        else { return }
        // What was not flushed may be lost with the disk's own log, unless the answer was seen.
        let must = request.end == nil ? min(start, disk.must ?? .max) : start
        if !request.isForgotten,
            let fault = disk.history.fault(inPrefix: found, must: must, end: request.end ?? .max)
        {
            violate("snapshot \(id) of disk \(request.disk): \(fault)")
        }
        snapshots[id] = SimulatedSnapshot(id: id, disk: request.disk, content: found)
        snapshotsInTheMaking[start] = nil
    }

    private func content(of id: SnapshotID, _ store: Store) throws -> [History.Stamp] {
        let reader = try store.openSnapshot(id)
        defer { reader.close() }
        return try stamps(of: 0..<Int(reader.size) / Content.sectorSize) {
            try reader.read(into: $0, at: $1)
        }
    }

    /// A snapshot never changes.
    func verify(_ id: SnapshotID, _ store: Store) {
        guard let expected = snapshots[id],
            let found = attempt("read snapshot \(id)", { try content(of: id, store) })
        else { return }
        if found != expected.content {
            let sector = zip(found, expected.content).enumerated().first { $1.0 != $1.1 }
            violate("snapshot \(id) has changed: \(sector.map { "\($0)" } ?? "its size")")
        }
    }

    /// Nor does its sealed file.
    func verifySealed(_ id: SnapshotID, _ store: Store) {
        guard
            let bytes = attempt(
                "read sealed snapshot \(id)",
                { () throws -> [UInt8] in
                    let reader = try store.openSealedSnapshot(id)
                    defer { reader.close() }
                    var bytes = [UInt8](repeating: 0, count: Int(reader.size))
                    let count = try bytes.withUnsafeMutableBytes {
                        try reader.read(into: $0, at: 0)
                    }
                    return Array(bytes.prefix(count))
                })
        else { return }
        if let known = snapshots[id]?.sealed {
            if known != bytes { violate("the sealed file of snapshot \(id) has changed") }
        } else {
            snapshots[id]?.sealed = bytes
        }
    }

    /// Nothing is damaged, whatever goes on meanwhile.
    func scrub(_ id: DiskID, _ store: Store) {
        attempt("scrub \(id)") {
            var place: UInt64? = 0
            while let offset = place, !host.isDown {
                let piece = try store.scrub(id, from: offset, limit: 1 << 20)
                if let found = piece.findings.first, !haveCallsFailed, !host.isDown {
                    violate("scrub of disk \(id): \(found)")
                }
                place = piece.next
            }
        }
    }

    // MARK: With no write in flight

    /// Each disk is what was written to it.
    func verifyQuiet(_ store: Store) {
        for id in disksHere {
            guard let disk = store.attached(id), let expected = disks[id], expected.history.isQuiet,
                let found = attempt("compare \(id)", { try content(of: disk) })
            else { continue }
            if let fault = expected.history.fault(inPrefix: found, must: tick()) {
                violate("disk \(id): \(fault)")
            }
            disk.monitor.withLock { disk.map.checkInvariants() }
        }
    }

    /// The map in memory is the one that the log gives: on a copy of the store as a kill would
    /// leave it, every block of every disk has the address that it has here.
    func compareWithReplay(_ store: Store) {
        counts.replays += 1
        let copy = host.copy()
        let opener = remote?.opener(ofCopyOver: copy)
        attempt("replay a copy") {
            let files: any ChunkStore =
                try opener?() ?? LocalStore(path: "copy", host: copy)
            let other = try Store(
                opening: files, keys: keys, holder: "copy",
                environment: environment, limits: limits)
            defer { try? other.close() }
            for id in disksHere {
                // Of a session that is over memory does not know all that the log holds.
                guard let here = store.attached(id), !isOver(here) else { continue }
                let there = try other.attach(id)
                let (known, replayed) = (try addresses(of: here), try addresses(of: there))
                if known != replayed {
                    let block = zip(known, replayed).enumerated().first { $1.0 != $1.1 }
                    violate("disk \(id): memory and log differ: \(block.map { "\($0)" } ?? "size")")
                }
                // Two that go on from one store: `seals` sees both.
                let bytes = Content.bytes(History.Stamp.max, 0..<16)
                try bytes.withUnsafeBytes { try there.write($0, at: 0) }
                try there.flush()
            }
        }
    }

    private func isOver(_ disk: Disk) -> Bool {
        disk.monitor.withLock { (try? disk.checkAlive()) == nil }
    }

    private func addresses(of disk: Disk) throws -> [UInt64] {
        try disk.monitor.withLock {
            var extents: [Extent] = []
            try disk.reader.planned {
                $0.lookUp(0..<UInt64(disk.bytes) / UInt64(Format.blockSize), into: &extents)
            }
            return extents.flatMap { extent in
                (0..<extent.count).map {
                    extent.address.isHole ? 0 : extent.address.rawValue + UInt64($0)
                }
            }
        }
    }
}
