import DiskEngine
import DiskFormat
import KeyManagement

// Carrying policies out. Time points are whole hours, UTC. What was missed while no mount was there
// is caught up once, not once for each time point.
extension ControlPlane {
    /// Takes the snapshots that are due and deletes those that have expired, one disk after the
    /// other. Returns what could not be done, in words for the operator; a time point is seen to
    /// once, whatever becomes of its snapshots, so that one disk that fails is not tried for ever.
    public func runSnapshotPolicies() -> [String] {
        guard let record = try? register.record else { return [] }
        var failures: [String] = []
        let now = store.time
        for policy in record.policies {
            guard let due = policy.lastDue(before: now), due > lastRun(of: policy) else { continue }
            failures += turn.withLock { _ in run(policy.id, at: due) }
        }
        failures += turn.withLock { _ in deleteExpired(at: now) }
        return failures
    }

    /// Seconds until the next time point of any policy; nil if there is none.
    public func secondsToNextPolicy() -> Int64? {
        guard let record = try? register.record else { return nil }
        let now = store.time
        return record.policies.compactMap { $0.nextDue(after: now) }.min().map { $0 - now }
    }

    private func run(_ id: SnapshotPolicyID, at due: Int64) -> [String] {
        // It may have changed while this waited for its turn.
        guard let policy = (try? register.record)?.policies.first(where: { $0.id == id }),
            due > lastRun(of: policy)
        else { return [] }
        let isFirst: Bool
        do {
            isFirst = try register.change { record in
                guard let index = record.policies.firstIndex(where: { $0.id == id }),
                    record.policies[index].lastRun < due
                else { return false }
                record.policies[index].lastRun = due
                return true
            }
        } catch {
            return ["automatic snapshots of policy \(id) are not taken: \(error)"]
        }
        policyRuns.withLock { $0[id] = due }
        return policy.disks.compactMap { disk in
            guard isMine(disk, of: policy, at: due, isFirst: isFirst) else { return nil }
            guard let name = (try? store.disk(disk)).map({ $0.givenName ?? $0.id.text }) else {
                return nil  // it was deleted
            }
            var attributes = [
                Attribute.snapshotName: automaticName(of: name, at: due),
                Attribute.description: "taken by snapshot policy \(policy.name ?? id.text)",
                Attribute.policy: id.text,
            ]
            if policy.retentionDays > 0 {
                attributes[Attribute.expires] = "\(due + Int64(policy.retentionDays) * 86_400)"
            }
            do throws(Refusal) {
                _ = try take(of: try self.disk(disk.text), attributes)
                return nil
            } catch {
                // Its host takes it.
                if error.code == ErrorCode.heldElsewhere.rawValue { return nil }
                return "disk '\(name)' has no automatic snapshot of"
                    + " \(Timestamp(seconds: due)): \(error.message)"
            }
        }
    }

    /// The last time point that this mount has seen to, or any before it. Of a store that is shared
    /// each host sees to every time point: for the disks that it has.
    private func lastRun(of policy: AccountRecord.SnapshotPolicy) -> Int64 {
        guard store.isShared else { return policy.lastRun }
        return policyRuns.withLock { $0[policy.id] } ?? policy.lastRun
    }

    /// Whether it is this host that takes a disk's snapshot: of those that hosts have attached each
    /// takes its own, of the others whoever came first (`isFirst`).
    private func isMine(
        _ disk: DiskID, of policy: AccountRecord.SnapshotPolicy, at due: Int64, isFirst: Bool
    ) -> Bool {
        guard store.isShared else { return isFirst }
        guard store.attached(disk) != nil else { return isFirst }
        return !store.snapshots(withAttribute: Attribute.policy, policy.id.text)
            .contains { $0.disk == disk && $0.created.seconds >= due }
    }

    /// `auto-DISK-20261129T1600Z`; with a number behind it where that name is taken.
    private func automaticName(of disk: String, at due: Int64) -> String {
        let digits = "\(Timestamp(seconds: due))".filter { $0 != "-" && $0 != ":" }
        let base = "auto-\(disk.prefix(96))-\(digits.prefix(13))Z"
        guard !snapshots(called: base).isEmpty else { return base }
        var number = 2
        while !snapshots(called: "\(base)-\(number)").isEmpty { number += 1 }
        return "\(base)-\(number)"
    }

    private func deleteExpired(at now: Int64) -> [String] {
        store.snapshotAttributes().compactMap { id, attributes in
            guard attributes[Attribute.policy] != nil,
                let expires = attributes[Attribute.expires].flatMap({ Int64($0) }), expires <= now,
                let snapshot = try? snapshot(id.text),
                store.holderElsewhere(of: snapshot.summary.lineage) == nil
            else { return nil }
            // Who reads it, or made an image of it, keeps it.
            guard hooks?.openHandles(of: id) ?? 0 == 0,
                (try? demandInNoImage(snapshot)) != nil
            else { return nil }
            do {
                try store.deleteSnapshot(id)
                hooks?.didChange(.snapshotDeleted(id))
                return nil
            } catch {
                return "snapshot '\(snapshot.name)' has expired and is not deleted: \(error)"
            }
        }
    }

    /// Those that a policy took of a disk which is being deleted.
    func deleteAutoSnapshots(of disk: NamedDisk) throws(Refusal) {
        for snapshot in try snapshots() where snapshot.summary.disk == disk.summary.id {
            guard snapshot.summary.attributes[Attribute.policy] != nil else { continue }
            try demandInNoImage(snapshot)
            let id = snapshot.summary.id
            guard hooks?.openHandles(of: id) ?? 0 == 0 else {
                throw Refusal(
                    .snapshotOpen, "Snapshot '\(snapshot.name)' is open for reading.",
                    recommend: ErrorCode.snapshotOpen.usualRemedy)
            }
            try engine(about: .snapshot(snapshot.name)) { try store.deleteSnapshot(id) }
            hooks?.didChange(.snapshotDeleted(id))
        }
    }
}

extension AccountRecord.SnapshotPolicy {
    private static let hour: Int64 = 3600

    /// The last time point at or before a moment; nil if the policy has none.
    func lastDue(before moment: Int64) -> Int64? {
        let last = moment - moment % Self.hour
        return (0..<Int64(24 * 7)).lazy.map { last - $0 * Self.hour }.first(where: isTimePoint)
    }

    /// The first after a moment.
    func nextDue(after moment: Int64) -> Int64? {
        let first = moment - moment % Self.hour + Self.hour
        return (0..<Int64(24 * 7)).lazy.map { first + $0 * Self.hour }.first(where: isTimePoint)
    }

    /// Whether a whole hour is one of the policy's. (1970-01-01 was a Thursday.)
    private func isTimePoint(_ hour: Int64) -> Bool {
        let day = hour / 86_400
        return hours.contains(Int(hour % 86_400 / Self.hour))
            && weekdays.contains(Int((day + 3) % 7) + 1)
    }
}
