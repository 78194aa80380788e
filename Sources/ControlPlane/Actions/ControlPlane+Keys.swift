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

    private static func fields(of key: KeyDescription, usage: [String: UInt64]) -> JSONObject {
        var counts: JSONObject = [:]
        for (action, count) in usage.sorted(by: { $0.key < $1.key }) {
            counts.append(action, .integer(count))
        }
        return [
            "KeyMetadata": .object([
                "KeyId": .string(key.keyID),
                "Alias": .string(key.alias),
                "Arn": .string("acs:kms:\(key.region):\(key.account):key/\(key.keyID)"),
                "Creator": .string(key.account),
                "RegionId": .string(key.region),
                "CreationDate": .string("\(key.created)"),
                "KeyState": "Enabled",
                "KeySpec": "AES_256",
                "KeyUsage": "ENCRYPT/DECRYPT",
                "Origin": "SealDisk",
            ]),
            "Usage": .object(counts),
        ]
    }
}
