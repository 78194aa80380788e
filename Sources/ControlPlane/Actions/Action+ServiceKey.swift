import KeyManagement

/// Rule 6: the CMK of an account and region is the service's own. It can be queried; what a KMS
/// does to keys of its customers is refused, and said why.
extension Action {
    static let onServiceKey: [Action] = [
        refused(
            "CreateKey",
            [
                "Description", "KeySpec", "KeyUsage", "Origin", "ProtectionLevel",
                "EnableAutomaticRotation", "RotationInterval",
            ],
            "There is one customer master key per account and region, and the system makes it:"
                + " others cannot be made.",
            "Activate the KMS (`OpenKmsService`) and create an encrypted disk:"
                + " `CreateDisk Encrypted=true`."),
        refused(
            "ScheduleKeyDeletion", ["KeyId", "PendingWindowInDays"],
            "The customer master key is the service's own and cannot be deleted: every encrypted"
                + " disk, snapshot and image under it would be lost.",
            "Delete the disks and snapshots that shall be gone, `DeleteDisk` and `DeleteSnapshot`:"
                + " with the last of those that share a data key that key goes, too."),
        refused(
            "CancelKeyDeletion", ["KeyId"],
            "The customer master key is the service's own and cannot be deleted: there is no"
                + " deletion to cancel.",
            "See its state: `DescribeKey`. If a token or key server holds it, its keeper takes a"
                + " deletion back there."),
        refused(
            "DisableKey", ["KeyId"],
            "The customer master key is the service's own and cannot be disabled.",
            "Detach the disks whose keys shall leave the memory: `DetachDisk`. If a token or key"
                + " server holds the key, its keeper can disable it there."),
        refused(
            "EnableKey", ["KeyId"],
            "The customer master key is the service's own: it is neither disabled nor enabled"
                + " here.",
            "See its state: `DescribeKey`. If a token or key server holds it, its keeper enables it"
                + " there."),
        refused(
            "UpdateAlias", ["KeyId", "AliasName"],
            "The alias of the customer master key is the service's own (\(MasterKey.alias)) and"
                + " cannot be changed.",
            "Name the key by that alias or its id: `DescribeKey`."),
        refused(
            "DeleteAlias", ["AliasName"],
            "The alias of the customer master key is the service's own (\(MasterKey.alias)) and"
                + " cannot be deleted.",
            "Name the key by that alias or its id: `DescribeKey`."),
    ]

    private static func refused(
        _ name: String, _ parameters: [String], _ rule: String, _ instead: String
    ) -> Action {
        Action(describing: name, parameters) { _, _ throws(Refusal) in
            throw Refusal(.serviceKey, rule, recommend: instead)
        }
    }
}

extension ControlPlane {
    /// Rule 6: whoever names a key names the one there is. `snapshot`: the disk keeps its key.
    func checkKey(
        _ arguments: Arguments, isEncrypted: Bool, snapshot: NamedSnapshot? = nil
    ) throws(Refusal) {
        guard let asked = try arguments.text("KMSKeyId") else { return }
        guard isEncrypted else {
            throw .parameter(
                arguments.name(of: "KMSKeyId"), "A plain disk has no key, and KMSKeyId names one.",
                recommend: "Add `Encrypted=true`, or leave KMSKeyId out.")
        }
        if asked == MasterKey.alias { return }
        let known: String?
        if let snapshot {
            known = snapshot.summary.keyID
        } else {
            known = try engine(about: .request) {
                try keys.describe(use: KeyUse(action: "DescribeKey", resource: "-"))?.keyID
            }
        }
        guard asked != known else { return }
        throw Refusal(
            .serviceKey,
            "A disk's customer master key cannot be chosen: there is one per account and region,"
                + " the service's own, and '\(asked)' is not it.",
            recommend: "Leave KMSKeyId out. The key is \(known ?? "made with the first disk")"
                + " (\(MasterKey.alias)).")
    }
}
