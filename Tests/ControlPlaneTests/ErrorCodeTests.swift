import ChunkStore
import CryptoPrimitives
import DiskEngine
import DiskFormat
import KeyManagement
import Testing

@testable import ControlPlane

/// Each code is met by a request that leads to it, or, where there is no control plane yet, by
/// opening or making a store.
@Suite struct ErrorCodeTests {
    /// How a code is met.
    private enum Way {
        /// Requests that are carried out, and one that is refused.
        case requests([String], String)
        /// The same while the KMS fails so.
        case keys(KeyError.Code)
        case other((Fixture) throws -> Refusal)
    }

    private static let data = "CreateDisk DiskName=data Size=1MiB Encrypted=true"
    private static let attached = [data, "AttachDisk DiskId=data"]
    private static let snapshot = "CreateSnapshot DiskId=data SnapshotName=s"

    @Test(arguments: ErrorCode.allCases.filter { $0 != .dryRun })
    func isMet(code: ErrorCode) throws {
        let fixture = try Fixture(activated: code != .kmsNotEnabled)
        let refusal: Refusal
        switch Self.way(to: code) {
        case .requests(let before, let request):
            for request in before { try fixture.done(request) }
            refusal = try #require(fixture.plane.perform(request).refusal)
        case .keys(let failure):
            try fixture.done(Self.data)
            fixture.keys.fail(with: KeyError(failure, "why"))
            refusal = try #require(fixture.plane.perform("AttachDisk DiskId=data").refusal)
        case .other(let work):
            refusal = try work(fixture)
        }
        let isIt = refusal.code == code.rawValue || refusal.code.hasPrefix(code.rawValue + ".")
        #expect(isIt, "\(code.rawValue): \(refusal.code), \(refusal.message)")
        #expect(refusal.kind == code.kind)
        #expect(!refusal.message.isEmpty && !refusal.recommend.isEmpty)
    }

    private static func way(to code: ErrorCode) -> Way {
        ofRequests(code) ?? ofKeys(code) ?? ofStores(code) ?? .requests([], "")
    }

    private static func ofRequests(_ code: ErrorCode) -> Way? {
        switch code {
        case .invalidAction: .requests([], "Frobnicate")
        case .malformedRequest: .requests([], "{")
        case .missingParameter: .requests([], "CreateDisk")
        case .invalidParameter: .requests([], "CreateDisk Size=x")
        case .tokenMismatch: .requests([data + " ClientToken=t"], "CreateDisk Size=1 ClientToken=t")
        case .regionNotFound: .requests([], "DescribeDisks RegionId=elsewhere")
        case .diskNotFound: .requests([], "DeleteDisk DiskId=nope")
        case .snapshotNotFound: .requests([], "DeleteSnapshot SnapshotId=nope")
        case .instanceNotFound: .requests([], "DeleteInstance InstanceId=nope")
        case .imageNotFound: .requests([], "DeleteImage ImageId=nope")
        case .policyNotFound: .requests([], "DeleteAutoSnapshotPolicy autoSnapshotPolicyId=nope")
        case .sourceSnapshotGone:
            .requests(
                [
                    data, snapshot, "CreateDisk DiskName=copy SnapshotId=s",
                    "DeleteSnapshot SnapshotId=s",
                ], "ReInitDisk DiskId=copy")
        case .snapshotOfOtherDisk:
            .requests(
                [data, snapshot, "CreateDisk DiskName=two Size=1"],
                "ResetDisk DiskId=two SnapshotId=s")
        case .nameTaken: .requests([data], data)
        case .diskStatus: .requests(attached, "DeleteDisk DiskId=data")
        case .diskSnapshotExists: .requests([data, snapshot], "ReInitDisk DiskId=data")
        case .snapshotInUse:
            .requests(
                [data, snapshot, "CreateImage SnapshotId=s"], "DeleteSnapshot SnapshotId=s")
        case .encryptedImage:
            .requests(
                [data, snapshot, "CreateImage ImageName=i SnapshotId=s"], "ExportImage ImageId=i")
        case .categoryNotSupported: .requests([], "CreateDisk Size=1 DiskCategory=ephemeral_ssd")
        case .sizeTooSmall: .requests([data], "ResizeDisk DiskId=data NewSize=4096B")
        case .sizeNotSupported: .requests([], "CreateDisk Size=1 DiskCategory=cloud_ssd")
        case .instanceDiskLimit:
            .requests(
                [],
                "CreateInstance " + (1...17).map { "DataDisk.\($0).Size=1" }.joined(separator: " "))
        case .noPermission: .requests([], "DeleteInstance InstanceId=i-local")
        case .limit:
            .requests(
                [data] + (1...17).map { "CreateSnapshot DiskId=data SnapshotName=s\($0)" },
                "CreateImage "
                    + (1...17).map { "DiskDeviceMapping.\($0).SnapshotId=s\($0)" }.joined(
                        separator: " "))
        case .serviceKey: .requests([], "DisableKey KeyId=alias/acs/ecs")
        case .keyNotLoaded: .requests([data, snapshot], "DescribeSnapshotsUsage SnapshotId=s")
        default: nil
        }
    }

    private static func ofKeys(_ code: ErrorCode) -> Way? {
        switch code {
        case .kmsNotEnabled: .requests([], data)
        case .kmsLocked: .keys(.locked)
        case .keyNotFound: .keys(.unknownKey)
        case .keyRefused: .keys(.refused)
        case .keyDisabled: .keys(.disabled)
        case .keyServiceFailed: .keys(.io)
        case .keyServiceUnavailable: .keys(.unavailable)
        case .keyUses: .keys(.quotaExceeded)
        default: nil
        }
    }

    private static func ofStores(_ code: ErrorCode) -> Way? {
        switch code {
        case .storeNotFound: .other { _ in try opening(MemoryStore()) }
        case .storeNotSupported:
            .other { fixture in
                let files = fixture.files.copy()
                let name = try #require(ObjectName("store.json"))
                let text = String(decoding: try files.readObject(name, limit: 4096), as: UTF8.self)
                let other = text.replacing(#""version":1"#, with: #""version":9"#)
                try files.replaceObject(name, with: Array(other.utf8))
                return try opening(files)
            }
        case .unfinishedCopy:
            .other { fixture in
                let files = fixture.files.copy()
                let name = try #require(ObjectName("store.json"))
                let copy = UnfinishedCopy(of: fixture.store.identity.storeID)
                try files.replaceObject(name, with: copy.encoded())
                return try opening(files)
            }
        case .storeLocked: .other { try opening($0.files) }
        case .heldElsewhere: .other { _ in try heldElsewhere() }
        case .alreadyExists:
            .other { fixture in
                try failure { _ = try Store.create(in: fixture.files, account: "a", region: "r") }
            }
        case .notMounted:
            .other { _ in
                let fixture = try Fixture(mounted: false)
                try fixture.done(data)
                return try fixture.refused("AttachDisk DiskId=data", code.rawValue)
            }
        case .readOnly:
            .other { fixture in
                try #require(fixture.plane.perform(Array(data.utf8), readOnly: true).refusal)
            }
        case .diskOpen, .snapshotOpen: .other { try whileOpen(code, $0) }
        case .storeFull, .storage, .sessionOver, .damaged: .other { try ofMedium(code, $0) }
        case .rolledBack: .other { _ in try rolledBack() }
        case .unforeseen: .other { _ in Refusal(ofStore: Unforeseen()) }
        default: nil
        }
    }

    private struct Unforeseen: Error {}

    private static func failure(_ work: () throws -> Void) throws -> Refusal {
        do { try work() } catch { return Refusal(ofStore: error) }
        Issue.record("it did not fail")
        return .dryRun
    }

    private static func opening(_ files: MemoryStore) throws -> Refusal {
        try failure { _ = try Store(opening: files, keys: InMemoryKMS(), holder: "another") }
    }

    private static func heldElsewhere() throws -> Refusal {
        let (medium, keys) = (SharedMemoryStore.Medium(), TestKeys(isActivated: true))
        _ = try Store.create(in: medium.files, account: "account", region: "region")
        let stores = try (0..<2).map {
            try Store(opening: SharedMemoryStore(medium), keys: keys, holder: "host \($0)")
        }
        let planes = stores.map { ControlPlane(store: $0, keys: keys, hooks: TestMount()) }
        for request in attached { #expect(planes[0].perform(request).isSuccess) }
        return try withExtendedLifetime(planes) {
            try #require(planes[1].perform("AttachDisk DiskId=data").refusal)
        }
    }

    private static func whileOpen(_ code: ErrorCode, _ fixture: Fixture) throws -> Refusal {
        for request in attached + [snapshot] { try fixture.done(request) }
        let disk = try fixture.plane.disk("data").summary.id
        let snapshot = try fixture.plane.snapshot("s").summary.id
        fixture.mount.state.withLock {
            $0.openDisks = [disk]
            $0.openSnapshots = [snapshot]
        }
        return try fixture.refused(
            code == .diskOpen ? "DetachDisk DiskId=data" : "DeleteSnapshot SnapshotId=s",
            code.rawValue)
    }

    private static func ofMedium(_ code: ErrorCode, _ fixture: Fixture) throws -> Refusal {
        for request in attached { try fixture.done(request) }
        let disk = try #require(fixture.store.attachedDisks().first)
        let bytes = [UInt8](repeating: 1, count: 4096)
        try bytes.withUnsafeBytes { try disk.write($0, at: 0) }
        switch code {
        case .storeFull:
            fixture.faults.arm(
                Fault([.replaceObject, .createFile], isLasting: true, code: .noSpace))
        case .storage: fixture.faults.arm(Fault([.replaceObject], isLasting: true))
        case .sessionOver:
            fixture.faults.arm(Fault([.synchronize]))
            #expect(throws: (any Error).self) { try disk.flush() }
        default:
            try fixture.done("DetachDisk DiskId=data")
            let name = try #require(fixture.files.names.first { $0.contains("/disks/d-") })
            try fixture.files.replaceObject(try #require(ObjectName(name)), with: [1, 2, 3])
            return try #require(fixture.plane.perform("AttachDisk DiskId=data").refusal)
        }
        return try #require(fixture.plane.perform(snapshot).refusal)
    }

    private static func rolledBack() throws -> Refusal {
        let (files, keys, anchor) = (MemoryStore(), TestKeys(isActivated: true), InMemoryAnchor())
        _ = try Store.create(in: files, account: "account", region: "region")
        func session(over files: MemoryStore, _ work: (ControlPlane, Store) throws -> Void) throws {
            let store = try Store(
                opening: files, keys: keys, holder: "t", anchor: Anchoring(anchor))
            try work(ControlPlane(store: store, keys: keys, hooks: TestMount()), store)
            try store.close()
        }
        var older = files
        try session(over: files) { plane, _ in #expect(plane.perform(data).isSuccess) }
        older = files.copy()
        try session(over: files) { plane, store in
            #expect(plane.perform("AttachDisk DiskId=data").isSuccess)
            let disk = try #require(store.attachedDisks().first)
            try [UInt8](repeating: 1, count: 4096).withUnsafeBytes { try disk.write($0, at: 0) }
            try disk.flush()
        }
        var refusal = Refusal.dryRun
        try session(over: older) { plane, _ in
            refusal = try #require(plane.perform("AttachDisk DiskId=data").refusal)
        }
        return refusal
    }
}
