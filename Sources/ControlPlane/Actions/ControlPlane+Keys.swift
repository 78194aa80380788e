import KeyManagement

extension ControlPlane {
    func openKmsService(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        try arguments.stopIfDryRun()
        return try KeyActions(keys: keys, region: store.identity.region).activate()
    }

    func describeKey(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        try KeyActions(keys: keys, region: store.identity.region)
            .describe(asked: try arguments.text("KeyId"))
    }

    func rewrapDataKeys(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        try arguments.stopIfDryRun()
        let report = try engine(about: .store) { try store.rewrapDataKeys() }
        return [
            "RewrappedCount": .integer(report.rewrapped), "CurrentCount": .integer(report.current),
            "FailedCount": .integer(report.failures.count),
            "Failures": .array(
                report.failures.map {
                    .object(["Lineage": .string($0.lineage), "Message": .string($0.message)])
                }),
        ]
    }

    func listKeys(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let number = try arguments.integer("PageNumber", in: 1...Int(Int32.max)) ?? 1
        let size = try arguments.integer("PageSize", in: 1...100) ?? 10
        return try KeyActions(keys: keys, region: store.identity.region)
            .list(page: number, of: size)
    }
}

/// The actions that need the KMS alone; the command line has them without a store, too.
public struct KeyActions: Sendable {
    let keys: any KeyService
    let region: String

    public init(keys: any KeyService, region: String) {
        self.keys = keys
        self.region = region
    }

    /// OpenKmsService. Idempotent; the reply says whether it was active already.
    public func activate() throws(Refusal) -> JSONObject {
        do {
            return ["AlreadyActive": .bool(try !keys.activate())]
        } catch {
            throw Refusal(error, about: .request)
        }
    }

    /// DescribeKey: the one CMK of this account and region, by its id, its alias or unnamed.
    public func describe(asked: String?) throws(Refusal) -> JSONObject {
        let key: KeyDescription?
        let usage: [String: UInt64]
        do {
            key = try keys.describe(use: KeyUse(action: "DescribeKey", resource: asked ?? "-"))
            usage = try keys.usage()
        } catch {
            throw Refusal(error, about: .request)
        }
        guard let key else {
            throw Refusal(
                .keyNotFound, "Region \(region) has no customer master key yet.",
                recommend: "The system makes it with the first encrypted disk:"
                    + " `CreateDisk Encrypted=true`.")
        }
        guard asked == nil || asked == key.keyID || asked == key.alias else {
            throw Refusal(
                .keyNotFound, "There is no customer master key '\(asked ?? "")' here.",
                recommend: "The key of this account and region is \(key.keyID) (\(key.alias)).")
        }
        return Self.fields(of: key, usage: usage)
    }

    /// ListKeys: the one CMK of this account and region, or none yet.
    public func list(page: Int, of size: Int) throws(Refusal) -> JSONObject {
        let key: KeyDescription?
        do {
            key = try keys.describe(use: KeyUse(action: "ListKeys", resource: "-"))
        } catch {
            throw Refusal(error, about: .request)
        }
        let all =
            key.map { ["KeyId": .string($0.keyID), "KeyArn": .string(Self.arn(of: $0))] }
            .map { (fields: JSONObject) in [JSON.object(fields)] } ?? []
        return [
            "Keys": .object(["Key": .array(page == 1 ? all : [])]),
            "TotalCount": .integer(all.count), "PageNumber": .integer(page),
            "PageSize": .integer(size),
        ]
    }

    private static func fields(of key: KeyDescription, usage: [String: UInt64]) -> JSONObject {
        var counts: JSONObject = [:]
        for (action, count) in usage.sorted(by: { $0.key < $1.key }) {
            counts.append(action, .integer(count))
        }
        return ["KeyMetadata": .object(metadata(of: key)), "Usage": .object(counts)]
    }

    private static func metadata(of key: KeyDescription) -> JSONObject {
        var fields: JSONObject = [
            "KeyId": .string(key.keyID),
            "Alias": .string(key.alias),
            "Arn": .string(arn(of: key)),
            "Creator": .string(key.account),
            "RegionId": .string(key.region),
            "CreationDate": .string("\(key.created)"),
            "KeyState": .string(key.state.name),
        ]
        if case .pendingDeletion(let time) = key.state {
            fields.append("DeleteDate", .string("\(time)"))
        }
        fields.append("KeySpec", "AES_256")
        fields.append("KeyUsage", "ENCRYPT/DECRYPT")
        fields.append("Origin", .string(key.origin))
        fields.append("KeyVersion", .integer(UInt64(key.version)))
        return fields
    }

    private static func arn(of key: KeyDescription) -> String {
        "acs:kms:\(key.region):\(key.account):key/\(key.keyID)"
    }
}

extension KeyState {
    /// As the API words it.
    var name: String {
        switch self {
        case .enabled: "Enabled"
        case .disabled: "Disabled"
        case .pendingDeletion: "PendingDeletion"
        }
    }
}
