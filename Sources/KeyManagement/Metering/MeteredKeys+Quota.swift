extension MeteredKeys {
    /// The actions on disks that count against the quota. Everything else is logged, and does not.
    public static let meteredActions: Set<String> = [
        "CreateDisk", "CreateInstance", "AttachDisk", "DetachDisk", "CreateSnapshot", "ResetDisk",
        "ReInitDisk",
    ]

    /// Counts, but is never refused: a disk that cannot be detached is data in danger.
    static let neverRefused = "DetachDisk"

    /// Metered uses that a day (UTC) allows all who share the log; nil for no quota. Throws `.io`.
    public var dailyQuota: UInt64? {
        get throws(KeyError) { try log.quota() }
    }

    /// Holds for every process that shares the log, from its next use on. Throws `.io`.
    public func setDailyQuota(_ quota: UInt64?) throws(KeyError) { try log.setQuota(quota) }

    /// The uses of a day.
    public struct DayOfUses: Sendable, Hashable {
        /// `2026-11-29`, UTC.
        public let day: String
        /// How often, by action, refused uses included.
        public internal(set) var actions: [String: UInt64] = [:]
        /// Of those, what counts against the quota.
        public internal(set) var metered: UInt64 = 0
    }

    /// The last `days` days with today, the oldest first, as the log tells; days without a use are
    /// there, too. Throws `.io`.
    public func uses(ofLast days: Int) throws(KeyError) -> [DayOfUses] {
        let now = clock.now().seconds
        let names = (0..<Int64(max(1, days))).reversed().map { back in
            KeyUseLog.day(of: Timestamp(seconds: now - back * Self.secondsPerDay))
        }
        var found: [String: DayOfUses] = [:]
        try log.eachUse(from: names[0]) { use in
            var day = found[use.day] ?? DayOfUses(day: use.day)
            day.actions[use.action, default: 0] += 1
            if use.counts { day.metered += 1 }
            found[use.day] = day
        }
        return names.map { found[$0] ?? DayOfUses(day: $0) }
    }

    /// Metered uses today, of all processes, also of lines that rotation took away. Throws `.io`.
    public func usesToday() throws(KeyError) -> UInt64 {
        try log.uses(on: KeyUseLog.day(of: clock.now()))
    }

    private static let secondsPerDay: Int64 = 86_400

    /// The quota that an action is held to; nil for none.
    func quota(for action: String) throws(KeyError) -> UInt64? {
        guard Self.meteredActions.contains(action), action != Self.neverRefused else { return nil }
        return try log.quota()
    }

    /// Before the CMK is troubled; that the quota holds exactly is seen to by the log.
    func demandQuota(_ quota: UInt64?) throws(KeyError) {
        guard let quota else { return }
        let used = try usesToday()
        if used >= quota { throw Self.exceeded(used, quota, at: clock.now()) }
    }

    static func exceeded(_ used: UInt64, _ quota: UInt64, at time: Timestamp) -> KeyError {
        let rest = ((time.seconds % secondsPerDay) + secondsPerDay) % secondsPerDay
        let reset = Timestamp(seconds: time.seconds - rest + secondsPerDay)
        return KeyError(
            .quotaExceeded,
            "the KMS's quota is used up: \(used) of \(quota) uses of this day (UTC) were made; it"
                + " begins anew at \(reset). Disks that are attached go on, and can be detached")
    }
}
