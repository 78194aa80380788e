import DiskFormat

/// A disk as those who use it know it.
struct SimulatedDisk {
    let id: DiskID
    /// The host that has it, or had it last: a number of `World.hosts`.
    var host: Int
    /// That host has got it from the other and has not attached it yet.
    var arrival: Arrival?
    var history: History
    /// What was acknowledged before this moment must be there at the next start; nil: nothing has
    /// crashed since the content was last known.
    private(set) var must: Int?
    /// Sizes and states that an action under way may leave.
    var resizingTo: Int?
    var rollingBackTo: [History.Stamp]?
    var isBeingDeleted = false
    /// What it was before its content was last known, as far as the bucket may not know better.
    private(set) var earlier: [History] = []
    /// Whether what is found next comes from the bucket alone.
    private(set) var isHostLost = false

    enum Arrival {
        /// The other has detached it, and nothing went wrong; if that has not crashed since.
        case inOrder(from: SimulatedHost, boot: Int)
        case otherwise
    }

    init(id: DiskID, content: [History.Stamp], host: Int = 0) {
        self.id = id
        self.host = host
        history = History(base: content)
    }

    var blockCount: Int { history.base.count / 8 }

    /// What is promised of a crash: after a loss of power, what was flushed; after a kill, all that
    /// was acknowledged. Of several crashes before anybody looked, the worst counts.
    mutating func crashed(_ kind: SimulatedHost.Crash, at time: Int) {
        let level = kind == .powerLoss ? history.flushed : time
        must = min(must ?? .max, level)
    }

    /// The same if the whole host is lost: what is left is in the bucket.
    mutating func lost() { lost(stored: history.stored) }

    /// The same where what was `stored` later than that does not count.
    mutating func lost(stored: Int) {
        must = min(must ?? .max, stored)
        isHostLost = true
    }

    mutating func store(begunAt time: Int) {
        history.store(begunAt: time)
        earlier = []
    }

    /// The bucket has the content that was last known.
    mutating func isAllStored() { earlier = [] }

    /// The content is known, and durable where it was found.
    mutating func settle(on content: [History.Stamp]) {
        if isHostLost { earlier = [] } else { earlier.append(history) }
        isHostLost = false
        arrival = nil
        history.settle(on: content)
        must = nil
        resizingTo = nil
        rollingBackTo = nil
    }
}

/// A disk that was asked for: its answer was not seen yet.
struct DiskInTheMaking {
    /// Which of a disk's attributes says what made it.
    static let attribute = "made"
    let content: [History.Stamp]
    /// Who makes it: a number of `World.hosts`.
    var host: Int
}

/// A snapshot that exists, or may.
struct SimulatedSnapshot {
    let id: SnapshotID
    let disk: DiskID
    let content: [History.Stamp]
    /// Bytes of its sealed file, once they were read.
    var sealed: [UInt8]?
    /// Who has it open or works with it.
    var users = 0
    var isBeingDeleted = false
}

/// A snapshot that was asked for and nobody has read yet: one prefix of its disk's log at some
/// moment after `start`, and before `end` if the answer was seen.
struct SnapshotRequest {
    let disk: DiskID
    let start: Int
    var end: Int?
    /// Known once it was answered: then the snapshot must be there.
    var id: SnapshotID?
    /// Its disk's history has been forgotten since: nobody can say what it must hold.
    var isForgotten = false
}
