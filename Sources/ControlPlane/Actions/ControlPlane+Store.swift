import ChunkStore
import DiskEngine

extension ControlPlane {
    /// DescribeStore is not of ECS: where the store is, what it is, and how the engine does.
    func describeStore(_: Arguments) throws(Refusal) -> JSONObject {
        let identity = store.identity
        let capacity = try engine(about: .store) { try store.capacity() }
        let status = try engine(about: .store) { try JSONCoding.json(of: store.status()) }
        return [
            "Store": .object([
                "Path": location.map { .string($0) } ?? .null,
                "StoreId": .string(identity.storeID),
                "Account": .string(identity.account),
                "RegionId": .string(identity.region),
                "CreationTime": .string("\(identity.created)"),
                "FormatVersion": .integer(identity.formatVersion),
                "Mounted": .bool(hooks != nil),
                "Capacity": .object([
                    "TotalBytes": .integer(capacity.total),
                    "AvailableBytes": .integer(capacity.available),
                ]),
                "Engine": status,
            ])
        ]
    }
}
