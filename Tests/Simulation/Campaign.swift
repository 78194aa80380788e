import Glibc

/// Which seeds to run, and how long.
struct Campaign {
    /// Seeds outside of the usual ones that once showed a bug.
    static let known: [World.Place: [UInt64]] = [
        .host: [], .bucket: [424, 10538], .pool: [],
    ]

    var first: UInt64 = 1
    var count: UInt64 = 100
    var place = World.Place.host
    var minutes: Double?
    var isTraced = false
    var withKnown = false
    /// A campaign that found so many failures need not look for more.
    var enough = 20

    static func fromEnvironment(_ place: World.Place) -> Campaign {
        var campaign = Campaign()
        campaign.place = place
        func value(_ name: String) -> String? {
            getenv("SEALDISK_SIMULATE_\(name)").map { String(cString: $0) }
        }
        if let text = value("FROM"), let number = UInt64(text) { campaign.first = number }
        if let text = value("SEEDS"), let number = UInt64(text) { campaign.count = number }
        let own = "\(place.rawValue.uppercased())_SEEDS"
        if let text = value(own), let number = UInt64(text) { campaign.count = number }
        campaign.minutes = value("MINUTES").flatMap(Double.init)
        campaign.isTraced = value("TRACE") != nil
        campaign.enough = value("ENOUGH").flatMap(Int.init) ?? campaign.enough
        campaign.withKnown = value("KNOWN") != nil
        return campaign
    }

    /// Runs them, prints what was done, and returns the failures.
    func run() -> [String] {
        var failures: [String] = []
        var total = WorldCounts()
        let start = time(nil)
        for seed in seeds(since: start) where failures.count < enough {
            let world = World(seed: seed, place: place, isTraced: isTraced)
            world.run()
            total.add(world.counts)
            for line in world.scheduler.trace ?? [] { print(line) }
            guard !world.violations.isEmpty else { continue }
            let texts = world.violations.joined(separator: "\n    ")
            failures.append(
                "seed \(seed): \(texts)\n    to see it again:"
                    + " Tests/simulate --world \(place.rawValue) --from \(seed) --seeds 1 --trace")
        }
        print(
            "simulation, \(place.rawValue): \(total); \(failures.count) failed,"
                + " \(time(nil) - start) s"
        )
        return failures
    }

    private func seeds(since start: time_t) -> some Sequence<UInt64> {
        var known = withKnown ? (Self.known[place] ?? [])[...] : []
        var next = first
        return AnyIterator {
            if let seed = known.popFirst() { return seed }
            if let minutes {
                if Double(time(nil) - start) >= minutes * 60 { return nil }
            } else if next - first >= count {
                return nil
            }
            defer { next += 1 }
            return next
        }
    }
}

/// How much runs did.
struct WorldCounts: CustomStringConvertible {
    var seeds = 0
    var lives = 0
    var powerLosses = 0
    var kills = 0
    var lostHosts = 0
    /// Hosts that another took the store from while they ran.
    var fencedHosts = 0
    /// Hosts at work beside the first, disks handed from one to the other, disks that were not had
    /// since the other has them, and hosts that lost a disk to the other.
    var secondHosts = 0
    var handovers = 0
    var heldElsewhere = 0
    var robbedHosts = 0
    /// Changes of the account's record.
    var accountChanges = 0
    /// Calls of the bucket or pool.
    var failedRemoteCalls = 0
    /// Those that took effect after they had failed.
    var lateRemoteCalls = 0
    /// Crashes that came while a store was being opened or its disks recovered.
    var crashedRecoveries = 0
    var failedCalls = 0
    var writes = 0
    var flushes = 0
    var snapshots = 0
    var replays = 0
    var seals = 0
    var steps = 0

    mutating func add(_ other: WorldCounts) {
        for path in Self.parts.map(\.path) { self[keyPath: path] += other[keyPath: path] }
    }

    private static var parts: [(name: String, path: WritableKeyPath<WorldCounts, Int>)] {
        [
            ("seeds", \.seeds), ("lives", \.lives), ("power losses", \.powerLosses),
            ("kills", \.kills), ("lost hosts", \.lostHosts), ("fenced hosts", \.fencedHosts),
            ("second hosts", \.secondHosts), ("disks handed over", \.handovers),
            ("held elsewhere", \.heldElsewhere), ("robbed hosts", \.robbedHosts),
            ("changes of accounts", \.accountChanges),
            ("failed calls of what is far away", \.failedRemoteCalls),
            ("late ones", \.lateRemoteCalls), ("crashes of recoveries", \.crashedRecoveries),
            ("failed calls", \.failedCalls), ("writes", \.writes), ("flushes", \.flushes),
            ("snapshots", \.snapshots), ("replays compared", \.replays), ("seals", \.seals),
            ("steps", \.steps),
        ]
    }

    var description: String {
        Self.parts.map { "\(self[keyPath: $0.path]) \($0.name)" }.joined(separator: ", ")
    }
}
