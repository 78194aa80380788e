import DiskEngine
import DiskFormat
import KeyManagement

// Automatic snapshot policies: at which hours of which days snapshots of which disks are taken, and
// how long they are kept. `AutomaticSnapshots` carries them out.
extension ControlPlane {
    func createPolicy(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let digest = try digest(of: arguments)
        let token = try arguments.clientToken()
        if let token, let made = try policyCreated(with: token, digest: digest) {
            return ["AutoSnapshotPolicyId": .string(made)]
        }
        var policy = AccountRecord.SnapshotPolicy(
            id: SnapshotPolicyID(random: try engine(about: .request) { try store.drawID() }),
            name: nil, created: store.time,
            hours: try numbers(arguments.required("timePoints"), "timePoints", 0...23),
            weekdays: try numbers(arguments.required("repeatWeekdays"), "repeatWeekdays", 1...7),
            retentionDays: try retention(arguments) ?? -1)
        policy.name = try policyName(arguments)
        if let token { (policy.clientToken, policy.clientRequest) = (token, digest) }
        try arguments.stopIfDryRun()
        let made = policy
        try engine(about: .request) { try register.change { $0.policies.append(made) } }
        return ["AutoSnapshotPolicyId": .string(made.id.text)]
    }

    func modifyPolicy(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        var policy = try policy(try arguments.required("autoSnapshotPolicyId"))
        if let text = try arguments.text("timePoints") {
            policy.hours = try numbers(text, "timePoints", 0...23)
        }
        if let text = try arguments.text("repeatWeekdays") {
            policy.weekdays = try numbers(text, "repeatWeekdays", 1...7)
        }
        if let days = try retention(arguments) { policy.retentionDays = days }
        if let name = try policyName(arguments, but: policy.id) { policy.name = name }
        try demandChange(
            arguments,
            ["autoSnapshotPolicyName", "timePoints", "repeatWeekdays", "retentionDays"])
        // What its new time points would have asked for before now is not missed.
        policy.lastRun = store.time
        try arguments.stopIfDryRun()
        try replace(policy)
        return [:]
    }

    func deletePolicy(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let policy = try policy(try arguments.required("autoSnapshotPolicyId"))
        try arguments.stopIfDryRun()
        try engine(about: .request) {
            try register.change { $0.policies.removeAll { $0.id == policy.id } }
        }
        return [:]
    }

    /// A disk has one policy at most: this one from now on.
    func applyPolicy(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let policy = try policy(try arguments.required("autoSnapshotPolicyId"))
        let disks = try disksOfPolicy(arguments)
        try arguments.stopIfDryRun()
        try engine(about: .request) {
            try register.change { record in
                for index in record.policies.indices {
                    record.policies[index].disks.removeAll { disks.contains($0) }
                    if record.policies[index].id == policy.id {
                        record.policies[index].disks += disks
                    }
                }
            }
        }
        return [:]
    }

    func cancelPolicy(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let disks = try disksOfPolicy(arguments)
        try arguments.stopIfDryRun()
        try engine(about: .request) {
            try register.change { record in
                for index in record.policies.indices {
                    record.policies[index].disks.removeAll { disks.contains($0) }
                }
            }
        }
        return [:]
    }

    func describePolicies(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        var found = try engine(about: .request) { try register.record }.policies
        if let name = try arguments.text("AutoSnapshotPolicyId") { found = [try policy(name)] }
        return try page(
            found, arguments, list: "AutoSnapshotPolicies", element: "AutoSnapshotPolicy"
        ) { policy in
            let disks = policy.disks.filter { (try? store.disk($0)) != nil }
            return [
                "AutoSnapshotPolicyId": .string(policy.id.text),
                "AutoSnapshotPolicyName": .string(policy.name ?? ""),
                "Name": .string(policy.name ?? policy.id.text),
                "TimePoints": .array(policy.hours.map { .integer($0) }),
                "RepeatWeekdays": .array(policy.weekdays.map { .integer($0) }),
                "RetentionDays": .integer(policy.retentionDays),
                "DiskNums": .integer(disks.count),
                "DiskIds": .array(disks.map { .string($0.text) }),
                "Status": "Normal",
                "CreationTime": .string("\(Timestamp(seconds: policy.created))"),
            ]
        }
    }

    // MARK: Parts

    /// The policy of a disk.
    func policy(of disk: DiskID) -> SnapshotPolicyID? {
        register.shown.policies.first { $0.disks.contains(disk) }?.id
    }

    private func policy(_ name: String) throws(Refusal) -> AccountRecord.SnapshotPolicy {
        let all = try engine(about: .request) { try register.record }.policies
        if let one = all.first(where: { $0.id.text == name })
            ?? all.first(where: { $0.name == name })
        {
            return one
        }
        throw Refusal(
            .policyNotFound, "There is no snapshot policy '\(name)' in this store.",
            recommend: Suggestion.nearest(to: name, among: all.map { $0.name ?? $0.id.text })
                .map { "Did you mean \($0)?" }
                ?? "See which there are: `DescribeAutoSnapshotPolicyEx`.")
    }

    private func policyCreated(with token: String, digest: String) throws(Refusal) -> String? {
        let all = try engine(about: .request) { try register.record }.policies
        guard let made = all.first(where: { $0.clientToken == token }) else { return nil }
        guard made.clientRequest == digest else { throw .tokenMismatch(resource: made.id.text) }
        return made.id.text
    }

    private func replace(_ policy: AccountRecord.SnapshotPolicy) throws(Refusal) {
        try engine(about: .request) {
            try register.change { record in
                guard let index = record.policies.firstIndex(where: { $0.id == policy.id }) else {
                    return
                }
                record.policies[index] = policy
            }
        }
    }

    private func policyName(
        _ arguments: Arguments, but id: SnapshotPolicyID? = nil
    ) throws(Refusal) -> String? {
        guard let name = try arguments.text("autoSnapshotPolicyName") else { return nil }
        guard ResourceName.isValidForOther(name) else {
            throw .name("autoSnapshotPolicyName", name)
        }
        let all = try engine(about: .request) { try register.record }.policies
        guard let other = all.first(where: { $0.name == name && $0.id != id }) else { return name }
        throw Refusal(
            .nameTaken, "Policy \(other.id) is called '\(name)' already.",
            recommend: "Choose another name.")
    }

    private func disksOfPolicy(_ arguments: Arguments) throws(Refusal) -> [DiskID] {
        guard let names = try arguments.list("diskIds"), !names.isEmpty else {
            throw Refusal(
                .missingParameter, "`diskIds` is missing.", parameter: "diskIds",
                recommend: "Add `diskIds=d-1,d-2` (ids or names).")
        }
        var disks: [DiskID] = []
        for name in names { disks.append(try disk(name).summary.id) }
        return disks
    }

    /// A list of numbers, as the cloud takes it (`["0","12"]`) or apart by commas; ascending.
    private func numbers(
        _ text: String, _ name: String, _ range: ClosedRange<Int>
    ) throws(Refusal) -> [Int] {
        let parts = text.split { "[]\", ".contains($0) }
        let numbers = parts.compactMap { Int($0) }
        guard !parts.isEmpty, numbers.count == parts.count, numbers.allSatisfy(range.contains)
        else {
            throw .parameter(
                name,
                "`\(name)` is a list of numbers from \(range.lowerBound) to \(range.upperBound).",
                recommend: "Write for instance `\(name)=\(range.lowerBound),\(range.upperBound)`.")
        }
        return Set(numbers).sorted()
    }

    private func retention(_ arguments: Arguments) throws(Refusal) -> Int? {
        if try arguments.text("retentionDays") == "-1" { return -1 }
        return try arguments.integer("retentionDays", in: 1...65_536)
    }
}
