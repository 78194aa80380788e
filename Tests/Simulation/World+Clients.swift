import DiskFormat

@testable import DiskEngine

extension World {
    /// Clients at work at the same time, until each has done its share.
    func runClients() {
        guard let store else { return }
        let count = generator.number(in: 1..<5)
        let clients = (0..<count).compactMap { number in
            let seed = generator.next()
            return attempt("start client \(number)") {
                let name = here == 0 ? "client \(number)" : "second client \(number)"
                return try scheduler.start(name: name) { self.work(seed, on: store) }
            }
        }
        for client in clients { client.join() }
    }

    func work(_ seed: UInt64, on store: Store) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<generator.magnitude(in: 5..<60) {
            guard isAway ? violations.isEmpty : !isOver,
                let id = generator.pick(disksHere),
                let disk = store.attached(id)
            else { return }
            switch generator.number(in: 0..<100) {
            case 0..<45: write(disk, &generator)
            case 45..<55: discard(disk, &generator)
            case 55..<69: flush(disk, store)
            case 69..<84: read(disk, &generator)
            case 84..<90: takeSnapshot(of: disk, store)
            case 90..<97 where isAway: checkpoint(disk)
            case 90..<93: dropSnapshot(store, &generator)
            case 93..<96: readSnapshot(store, &generator)
            case 96..<97: scrub(disk.id, store)
            default: checkpoint(disk)
            }
        }
    }

    /// Sectors of a disk, most of them in a few places, so that they overlap often.
    private func place(on id: DiskID, _ generator: inout SeededGenerator, whole: Bool) -> Range<Int>
    {
        let blocks = disks[id]?.blockCount ?? 1
        let hot = generator.chance(70) ? generator.number(in: 0..<3) * blocks / 3 : 0
        let span = generator.chance(70) ? min(blocks, 24) : blocks
        let first = min(blocks - 1, hot + generator.number(in: 0..<span))
        let count = min(blocks - first, generator.magnitude(in: 1..<70))
        if whole { return first * 8..<(first + count) * 8 }
        let from = first * 8 + generator.number(in: 0..<8)
        let to = min((first + count) * 8, from + generator.number(in: 1..<count * 8 + 1))
        return from..<max(from + 1, to)
    }

    private func write(_ disk: Disk, _ generator: inout SeededGenerator) {
        let sectors = place(on: disk.id, &generator, whole: generator.chance(75))
        lastStamp += 1
        let stamp = lastStamp
        counts.writes += 1
        let wasFenced = isFenced(disk.id)
        begin(stamp, sectors, of: disk.id, isDiscard: false)
        let bytes = Content.bytes(stamp, sectors)
        let offset = UInt64(sectors.lowerBound * Content.sectorSize)
        let isWritten: Void? = attempt("write \(stamp) to \(sectors) of \(disk.id)") {
            guard let pending = try bytes.withUnsafeBytes({ try disk.submit($0, at: offset) })
            else {
                return
            }
            if generator.chance(50) { return try pending.wait() }
            // As the mount does: the one who writes the last of the slots before tells.
            let answer = Answer(scheduler)
            pending.whenWritten { answer.give($0) }
            if let error = answer.wait() { throw error }
        }
        if isWritten != nil, remote?.kept == .acknowledged {
            checkFenced("a write", wasFenced: wasFenced)
        }
        note(stamp, of: disk.id, isWritten != nil)
    }

    private func discard(_ disk: Disk, _ generator: inout SeededGenerator) {
        let sectors = place(on: disk.id, &generator, whole: generator.chance(80))
        lastStamp += 1
        let stamp = lastStamp
        begin(stamp, sectors, of: disk.id, isDiscard: true)
        let offset = UInt64(sectors.lowerBound * Content.sectorSize)
        let length = UInt64(sectors.count * Content.sectorSize)
        let isDone: Void? = attempt("discard \(stamp) of \(sectors) of \(disk.id)") {
            try disk.discard(at: offset, length: length)
        }
        note(stamp, of: disk.id, isDone != nil)
    }

    /// What is written on a host that has lost the store, nobody may ever see.
    private func begin(
        _ stamp: History.Stamp, _ sectors: Range<Int>, of id: DiskID, isDiscard: Bool
    ) {
        guard !isFenced(id) else { return }
        disks[id]?.history.begin(stamp, sectors, isDiscard: isDiscard, at: tick())
    }

    /// Whether an answer that comes now is seen by anybody who counts.
    private func isHeard(_ id: DiskID) -> Bool { !isFenced(id) && (isAway || !host.isDown) }

    /// An answer that comes after the crash was never seen by anybody.
    private func note(_ stamp: History.Stamp, of id: DiskID, _ isDone: Bool) {
        guard isHeard(id) else { return }
        disks[id]?.history.end(stamp, isAcknowledged: isDone, at: tick())
        answered()
    }

    private func flush(_ disk: Disk, _ store: Store) {
        let (start, wasFenced) = (tick(), isFenced(disk.id))
        let isDone: Void? = attempt("flush \(disk.id)") {
            try disk.flush()
            try store.recordFreshness()
        }
        // A pool is not asked by a flush of what it has acknowledged.
        if isDone != nil, remote?.kept != .acknowledged {
            checkFenced("a flush", wasFenced: wasFenced)
        }
        guard isDone != nil, isHeard(disk.id) else { return }
        counts.flushes += 1
        disks[disk.id]?.history.flush(begunAt: start)
        if isFlushFarAway { noteStored(disk.id, begunAt: start) }
        answered()
    }

    private func checkpoint(_ disk: Disk) {
        let (start, wasFenced) = (tick(), isFenced(disk.id))
        let isDone: Void? = attempt("checkpoint") { _ = try disk.checkpoint() }
        guard isDone != nil else { return }
        checkFenced("a checkpoint", wasFenced: wasFenced)
        if isHeard(disk.id) { noteStored(disk.id, begunAt: start) }
    }

    private func read(_ disk: Disk, _ generator: inout SeededGenerator) {
        let sectors = place(on: disk.id, &generator, whole: generator.chance(60))
        let start = tick()
        guard
            let found = attempt(
                "read \(sectors) of \(disk.id)",
                {
                    try stamps(of: sectors) { try disk.read(into: $0, at: $1) }
                }), let history = disks[disk.id]?.history, !isAway,
            !isFenced(disk.id)
        else { return }
        if let fault = history.fault(inRead: found, of: sectors, from: start, to: tick()) {
            violate("read of \(sectors) of disk \(disk.id): \(fault)")
        }
    }

    private func takeSnapshot(of disk: Disk, _ store: Store) {
        guard snapshots.count < 5 else { return }
        let (start, wasFenced) = (tick(), isFenced(disk.id))
        if !wasFenced {
            snapshotsInTheMaking[start] = SnapshotRequest(disk: disk.id, start: start)
        }
        guard
            let made = attempt(
                "snapshot of \(disk.id)", { try store.createSnapshot(of: disk.id, attributes: [:]) }
            )
        else { return }
        checkFenced("a snapshot", wasFenced: wasFenced)
        guard isHeard(disk.id) else { return }
        snapshotsInTheMaking[start]?.end = tick()
        snapshotsInTheMaking[start]?.id = made.id
        noteStored(disk.id, begunAt: start)
        counts.snapshots += 1
        answered()
        if !isAway { adopt(made.id, start, store) }
    }

    private func dropSnapshot(_ store: Store, _ generator: inout SeededGenerator) {
        let free = snapshotsHere.filter { snapshots[$0]?.users == 0 }
        guard let id = generator.pick(free) else { return }
        snapshots[id]?.isBeingDeleted = true
        let isGone: Void? = attempt("delete snapshot \(id)") { try store.deleteSnapshot(id) }
        guard isGone != nil, !host.isDown else { return }
        snapshots[id] = nil
        answered()
    }

    private func readSnapshot(_ store: Store, _ generator: inout SeededGenerator) {
        guard let id = generator.pick(snapshotsHere) else { return }
        snapshots[id]?.users += 1
        verify(id, store)
        if generator.chance(30) { verifySealed(id, store) }
        snapshots[id]?.users -= 1
    }
}

/// An answer that somebody else gives.
private final class Answer: @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    private let scheduler: Scheduler
    private var isGiven = false
    private var error: DiskError?
    private var waiter: SimulatedThread?

    init(_ scheduler: Scheduler) { self.scheduler = scheduler }

    func give(_ error: DiskError?) {
        isGiven = true
        self.error = error
        waiter?.isReady = true
    }

    func wait() -> DiskError? {
        while !isGiven { scheduler.block("an acknowledgement") { waiter = $0 } }
        return error
    }
}
