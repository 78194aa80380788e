import ChunkStore
import CryptoPrimitives
import DiskEngine
import DiskFormat
import Glibc
import KeyManagement
import Testing

@testable import ControlPlane

/// The rules of encrypted cloud disks, one test each and both ways: what is allowed, and what is
/// refused with which code and in which words. (Rule 8 is in `KeyUseTests`. Rule 12, that
/// encryption hardly costs performance, is measured: `Tests/Benchmarks`, `Performance.md`.)
@Suite struct RulesTests {
    /// Rule 1: a disk is encrypted as it was asked for, or as its snapshot is, and never otherwise.
    @Test(arguments: [false, true]) func rule1_aDiskIsAsItsSnapshot(encrypted: Bool) throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: encrypted)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        for (name, demand) in [("silent", ""), ("said", "Encrypted=\(encrypted)")] {
            try fixture.done("CreateDisk DiskName=\(name) SnapshotId=s \(demand)")
            #expect(try fixture.describe(name)["Encrypted"]?.bool == encrypted)
        }
        let plain = try fixture.done("CreateDisk Size=1MiB")["DiskId"]?.string ?? ""
        #expect(try fixture.describe(plain)["Encrypted"]?.bool == false)
        for request in [
            "CreateDisk SnapshotId=s Encrypted=\(!encrypted)",
            "CreateInstance DataDisk.1.SnapshotId=s DataDisk.1.Encrypted=\(!encrypted)",
        ] {
            let code =
                request.hasPrefix("CreateDisk")
                ? "InvalidParameter.Encrypted" : "InvalidParameter.DataDisk.1.Encrypted"
            let reply = fixture.plane.perform(request)
            #expect([code, "InvalidParameter.Encrypted"].contains(reply.refusal?.code))
            let kind = encrypted ? "encrypted" : "plain"
            #expect(
                reply.refusal?.message.contains("is \(kind), so a disk from it is \(kind)") == true)
        }
        #expect(try fixture.diskNames("").count == 4)
    }

    /// Rule 2: nothing is converted, and the way across is to copy files.
    @Test(arguments: [false, true]) func rule2_nothingIsConverted(encrypted: Bool) throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: encrypted)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        let refusal = try fixture.refused(
            "CreateDisk SnapshotId=s Encrypted=\(!encrypted)", "InvalidParameter.Encrypted")
        #expect(refusal.message.contains("never converted") && refusal.recommend.contains("rsync"))
        // No other action has a word for it.
        let takers = Action.all.filter { $0.changes && $0.parameters.contains("Encrypted") }
        #expect(takers.map(\.name) == ["CreateDisk", "AttachDisk"])
        try fixture.refused(
            "ModifyDiskAttribute DiskId=data Encrypted=\(!encrypted)", "InvalidParameter.Encrypted")
        try fixture.refused(
            "AttachDisk DiskId=data Encrypted=\(!encrypted)", "InvalidParameter.Encrypted")
        for request in ["ResetDisk DiskId=data SnapshotId=s", "AttachDisk DiskId=data"] {
            try fixture.done(request)
        }
        #expect(try fixture.describe("data")["Encrypted"]?.bool == encrypted)
    }

    /// Rule 3: only data disks of the cloud and shared categories are encrypted.
    @Test func rule3_whatCanBeEncrypted() throws {
        let fixture = try Fixture()
        for category in DiskCategory.all.map(\.name) {
            try fixture.done(
                "CreateDisk DiskName=\(category) DiskCategory=\(category) Size=20 Encrypted=true")
            #expect(try fixture.describe(category)["Encrypted"]?.bool == true)
        }
        for category in ["ephemeral", "ephemeral_ssd", "local_hdd_pro", "local_ssd_pro"] {
            for request in [
                "CreateDisk DiskCategory=\(category) Size=20 Encrypted=true",
                "CreateInstance DataDisk.1.Category=\(category) DataDisk.1.Size=20"
                    + " DataDisk.1.Encrypted=true",
            ] {
                let refusal = try fixture.refused(request, "InvalidDiskCategory.NotSupported")
                #expect(
                    refusal.message == "Local disks (\(category)) cannot be encrypted."
                        && refusal.recommend.contains("cloud_essd"))
            }
        }
        for request in [
            "CreateDisk DiskType=system Size=20 Encrypted=true",
            "CreateInstance SystemDisk.Encrypted=true",
        ] {
            let refusal = try fixture.refused(request, "InvalidDiskCategory.NotSupported")
            #expect(refusal.message.contains("System disks cannot be encrypted"))
        }
        try fixture.done("CreateInstance SystemDisk.Encrypted=false")
        #expect(try fixture.diskNames("").count == DiskCategory.all.count)
    }

    /// Rule 4: a blank encrypted disk has a data key of its own, which its descendants share.
    @Test func rule4_aLineageHasOneKey() throws {
        let fixture = try Fixture()
        func lineage(_ disk: String) throws -> String? {
            try fixture.describe(disk)["Lineage"]?.string
        }
        for number in 1...3 { _ = try fixture.disk("blank\(number)", encrypted: true) }
        #expect(Set(try (1...3).map { try lineage("blank\($0)") }).count == 3)
        let blank = fixture.keys.dataKeys
        #expect(blank.count == 3 && blank.allSatisfy { $0.count == 32 })

        try fixture.done("CreateSnapshot DiskId=blank1 SnapshotName=s")
        try fixture.done("CreateDisk DiskName=child SnapshotId=s")
        try fixture.done("CreateSnapshot DiskId=child SnapshotName=t")
        try fixture.done("CreateDisk DiskName=grandchild SnapshotId=t")
        for disk in ["child", "grandchild"] {
            try fixture.done("AttachDisk DiskId=\(disk)")
            #expect(try lineage(disk) == lineage("blank1"))
        }
        // Nothing but those three was ever handed out.
        #expect(fixture.keys.dataKeys == blank)
    }

    /// Rule 5: in the store the data key is wrapped, and the data sealed; in the clear the key is
    /// in memory while a disk is attached.
    @Test func rule5_theKeyIsStoredWrappedOnly() throws {
        let fixture = try Fixture()
        let content = Array("what nobody else shall read".utf8)
        let id = try #require(DiskID(fixture.disk("data", encrypted: true)))
        try fixture.done("AttachDisk DiskId=data")
        let disk = try #require(fixture.store.attached(id))
        try content.withUnsafeBytes { try disk.write($0, at: 5000) }
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        try fixture.done("CreateDisk DiskName=child SnapshotId=s")
        let snapshot = try fixture.plane.snapshot("s").summary.id
        try fixture.store.openSnapshot(snapshot).close()
        try fixture.done("DetachDisk DiskId=data")
        let refusal = fixture.plane.perform("DescribeSnapshotChanges SnapshotId=s").refusal
        #expect(refusal?.code == "InvalidOperation.KeyNotLoaded", "\(String(describing: refusal))")
        try fixture.store.close()

        let key = try #require(fixture.keys.dataKeys.first)
        let wrapped = try #require(fixture.keys.wrappedKeys.first)
        let secrets = [key, Array(Hex.text(key).utf8), content]
        var holders: [String] = []
        for name in fixture.files.names {
            let file = try fixture.files.bytes(name)
            for secret in secrets { #expect(!file.holds(secret), "in the clear in \(name)") }
            if file.holds(Array(Hex.text(wrapped.bytes).utf8)) { holders.append(name) }
        }
        let lineage = try fixture.reopened { try $0.plane.disk("data").summary.lineage }
        #expect(holders == [StoreLayout.lineageManifest(lineage)])
    }

    /// Rule 6: one CMK, made by the system, that can be asked about and nothing else.
    @Test func rule6_thereIsOneMasterKey() throws {
        let fixture = try Fixture()
        try fixture.refused("DescribeKey", "Forbidden.KeyNotFound")
        _ = try fixture.disk("plain")
        try fixture.refused("DescribeKey", "Forbidden.KeyNotFound")
        for name in ["one", "two"] { _ = try fixture.disk(name, encrypted: true) }
        let key = try #require(try fixture.done("DescribeKey")["KeyMetadata"]?["KeyId"]?.string)
        for name in ["one", "two"] {
            #expect(try fixture.describe(name)["KMSKeyId"]?.string == key)
            for asked in [key, "alias/acs/ecs"] {
                #expect(
                    try fixture.done("DescribeKey KeyId=\(asked)")["KeyMetadata"]?["KeyId"]?.string
                        == key)
            }
        }
        #expect(try fixture.describe("plain")["KMSKeyId"]?.string == "")
        try fixture.refused("DescribeKey KeyId=another", "Forbidden.KeyNotFound")
        // It cannot be chosen, changed or deleted; naming it is no choice.
        try fixture.done("CreateDisk Size=1 Encrypted=true KMSKeyId=\(key)")
        try fixture.refused(
            "CreateDisk Size=1 Encrypted=true KMSKeyId=another", "Forbidden.ServiceKey")
        try fixture.refused(
            "ModifyDiskAttribute DiskId=one KMSKeyId=\(key)", "InvalidParameter.KMSKeyId")
        for action in ["ScheduleKeyDeletion", "DisableKey"] {
            let refusal = try fixture.refused("\(action) KeyId=\(key)", "Forbidden.ServiceKey")
            #expect(refusal.message.contains("the service's own"))
        }
        try fixture.refused("CreateKey", "Forbidden.ServiceKey")
    }

    /// Rule 7: before the KMS is activated nothing is encrypted, and plain disks do not need it.
    @Test func rule7_theServiceIsActivatedFirst() throws {
        let fixture = try Fixture(activated: false)
        _ = try fixture.disk("plain")
        try fixture.done("CreateSnapshot DiskId=plain SnapshotName=s")
        let requests = [
            "CreateDisk Size=1 Encrypted=true",
            "CreateInstance InstanceName=web DataDisk.1.Size=1 DataDisk.1.Encrypted=true",
        ]
        for request in requests {
            let refusal = try fixture.refused(request, "InvalidParameter.Encrypted.KmsNotEnabled")
            #expect(refusal.message == "Encrypted disks need the KMS, which is not activated.")
            #expect(refusal.recommend.contains("`OpenKmsService`"))
        }
        #expect(try fixture.diskNames("") == ["plain"])
        #expect(try fixture.done("DescribeInstances")["TotalCount"]?.unsigned == 1)
        #expect(try fixture.done("OpenKmsService")["AlreadyActive"]?.bool == false)
        #expect(try fixture.done("OpenKmsService")["AlreadyActive"]?.bool == true)
        for request in requests { try fixture.done(request) }
    }

    /// Rule 9: images made of an encrypted snapshot, of one at least, stay where they are.
    @Test(arguments: [
        "ModifyImageSharePermission ImageId=IMAGE AddAccount.1=other", "CopyImage ImageId=IMAGE",
        "ExportImage ImageId=IMAGE",
    ]) func rule9_encryptedImagesStay(request: String) throws {
        let fixture = try Fixture()
        for (name, encrypted) in [("sealed", true), ("plain", false)] {
            _ = try fixture.disk(name, encrypted: encrypted)
            try fixture.done("CreateSnapshot DiskId=\(name) SnapshotName=\(name)")
            try fixture.done("CreateImage ImageName=\(name) SnapshotId=\(name)")
        }
        try fixture.done(
            "CreateImage ImageName=mixed DiskDeviceMapping.1.SnapshotId=plain"
                + " DiskDeviceMapping.2.SnapshotId=sealed")
        for image in ["sealed", "mixed"] {
            let refusal = try fixture.refused(
                request.replacing("IMAGE", with: image), "EncryptedSnapshot.NotSupported")
            #expect(refusal.message.contains("made from an encrypted snapshot"))
            #expect(refusal.recommend.contains(".sealed"))
        }
        try fixture.done(request.replacing("IMAGE", with: "plain"))
    }

    /// Rule 10: one instance at a time, and up to 16 for shared block storage.
    @Test(arguments: DiskCategory.all.map(\.name)) func rule10_howManyInstances(
        category: String
    ) throws {
        let fixture = try Fixture()
        let limit = category.hasPrefix("san_") ? 16 : 1
        try fixture.done("CreateDisk DiskName=data DiskCategory=\(category) Size=20")
        for number in 0...limit { try fixture.done("CreateInstance InstanceName=i\(number)") }
        for number in 0..<limit {
            try fixture.done("AttachDisk DiskId=data InstanceId=i\(number)")
        }
        let refusal = try fixture.refused(
            "AttachDisk DiskId=data InstanceId=i\(limit)", "IncorrectDiskStatus")
        #expect(refusal.message.contains(limit == 1 ? "attached to one" : "up to 16"))
        try fixture.done("DetachDisk DiskId=data InstanceId=i0")
        try fixture.done("AttachDisk DiskId=data InstanceId=i\(limit)")
        #expect(try fixture.describe("data")["Attachments"]?["Attachment"]?.array?.count == limit)
    }

    /// Rule 11: AES-256 under keys of 256 bits; in the store everything says so.
    @Test func rule11_theAlgorithmIsAES256() throws {
        let fixture = try Fixture()
        for (name, encrypted) in [("sealed", true), ("plain", false)] {
            _ = try fixture.disk(name, encrypted: encrypted)
        }
        let key = try fixture.done("DescribeKey")["KeyMetadata"]
        #expect(key?["KeySpec"]?.string == "AES_256" && AESGCMKey.keyLength * 8 == 256)
        #expect(fixture.keys.dataKeys.allSatisfy { $0.count * 8 == 256 })
        func manifest(_ disk: String) throws -> String {
            let lineage = try fixture.plane.disk(disk).summary.lineage
            let bytes = try fixture.files.bytes(StoreLayout.lineageManifest(lineage))
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(try manifest("sealed").contains("\"suite\":\(Suite.aes256GCM.rawValue)"))
        #expect(try manifest("plain").contains("\"suite\":\(Suite.plain.rawValue)"))
        // FIPS 140-3: a key of another length is refused where keys are made.
        #expect(throws: CryptoError.self) {
            _ = try AESGCMKey(try SecretBytes.random(count: 16, from: SystemEntropy()))
        }
    }
}

extension Fixture {
    /// What `body` makes of the same store, opened anew.
    fileprivate func reopened<R>(_ body: (Fixture) throws -> R) throws -> R {
        let next = try Fixture(over: files, keys: keys)
        defer { try? next.store.close() }
        return try body(next)
    }
}

extension MemoryStore {
    /// The bytes of a file or object.
    fileprivate func bytes(_ name: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try mutateFile(ObjectName(name)!) { bytes = $0 }  // the store's own names
        return bytes
    }
}

extension [UInt8] {
    /// Whether these bytes stand in it somewhere.
    fileprivate func holds(_ bytes: [UInt8]) -> Bool {
        guard let first = bytes.first else { return true }
        return withUnsafeBytes { all in
            var rest = all[...]
            while let place = rest.firstIndex(of: first), all.count - place >= bytes.count {
                // Both hold so many bytes from there on.
                if memcmp(all.baseAddress! + place, bytes, bytes.count) == 0 { return true }
                rest = all[(place + 1)...]
            }
            return false
        }
    }
}
