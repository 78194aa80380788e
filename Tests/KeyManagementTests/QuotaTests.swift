import CryptoPrimitives
import Foundation
import KeyManagement
import Testing

/// The quota of a day: exact, over processes, restarts and rotation.
@Suite struct QuotaTests {
    private let folder: TemporaryFolder
    private let clock = ManualClock(Timestamp(seconds: 1_795_471_200))
    private let kms: MeteredKeystore
    private let wrapped: WrappedKey
    private let log: String

    init() throws {
        folder = try TemporaryFolder()
        log = MeteredKeys.logPath(keystore: folder.keystore)
        kms = makeKMS(folder.keystore, clock: clock)
        try kms.activate()
        wrapped = try kms.generateDataKey(
            context: context, use: KeyUse(action: "ImportSnapshot", resource: "s-1")
        ).wrapped
    }

    private func code(_ action: String, _ keys: MeteredKeystore? = nil) -> KeyError.Code? {
        KeyManagementTests.code {
            let use = KeyUse(action: action, resource: "d-1")
            _ = try (keys ?? kms).unwrap(wrapped, context: context, use: use)
        }
    }

    @Test func onlyDiskActionsCount() throws {
        try kms.metered.setDailyQuota(6)
        for action in ["ModifyDiskAttribute", "DescribeKey", "CheckStore", "AcceptRollback"] {
            #expect(code(action) == nil)
        }
        #expect(try kms.metered.usesToday() == 0)
        let counted = [
            "CreateDisk", "CreateInstance", "AttachDisk", "CreateSnapshot", "ResetDisk",
            "ReInitDisk",
        ]
        #expect(MeteredKeys.meteredActions == Set(counted + ["DetachDisk"]))
        for action in counted { #expect(code(action) == nil) }
        #expect(try kms.metered.usesToday() == 6)
        for action in counted { #expect(code(action) == .quotaExceeded) }
        #expect(code("ModifyDiskAttribute") == nil)
        // Neither the refused uses count, nor are they kept out of the log.
        #expect(try kms.metered.usesToday() == 6)
        let text = String(decoding: try contents(log), as: UTF8.self)
        #expect(text.components(separatedBy: #""result":"quotaExceeded""#).count == 7)
        #expect(try kms.metered.verifyLog().damageCount == 0)
    }

    @Test func detachingIsNeverRefused() throws {
        try kms.metered.setDailyQuota(1)
        for _ in 0..<3 { #expect(code("DetachDisk") == nil) }
        #expect(try kms.metered.usesToday() == 3)
        #expect(code("AttachDisk") == .quotaExceeded)
        // Not even if nobody can tell what the quota is.
        try Data("{".utf8).write(to: URL(fileURLWithPath: folder.path + "/conf/key-use.quota"))
        chmod(folder.path + "/conf/key-use.quota", 0o600)
        #expect(code("DetachDisk") == nil)
        #expect(code("AttachDisk") == .io)
        #expect(code("DescribeKey") == nil)
    }

    @Test func theDayEndsInUTC() throws {
        clock.set(try #require(Timestamp("2026-11-29T23:59:59Z")))
        try kms.metered.setDailyQuota(2)
        #expect(code("AttachDisk") == nil)
        #expect(code("AttachDisk") == nil)
        let error = #expect(throws: KeyError.self) {
            _ = try kms.generateDataKey(context: context, use: creating)
        }
        #expect(error?.code == .quotaExceeded)
        #expect(error?.message.contains("2 of 2 uses") == true)
        #expect(error?.message.contains("2026-11-30T00:00:00Z") == true)
        clock.advance(bySeconds: 1)
        #expect(code("AttachDisk") == nil)
        #expect(try kms.metered.usesToday() == 1)
        // A clock that is set back finds the count of that day again.
        clock.advance(bySeconds: -1)
        #expect(code("AttachDisk") == .quotaExceeded)
        #expect(try kms.metered.usesToday() == 2)
        let days = try kms.metered.uses(ofLast: 2)
        #expect(days.map(\.day) == ["2026-11-28", "2026-11-29"])
        #expect(days[0].actions.isEmpty && days[1].metered == 2)
        #expect(days[1].actions == ["AttachDisk": 3, "CreateDisk": 1])
    }

    @Test func restartsRotationAndALostHeadKeepTheCount() throws {
        try kms.metered.setDailyQuota(4)
        #expect(code("AttachDisk") == nil)
        let later = makeKMS(folder.keystore, clock: clock)
        #expect(code("AttachDisk", later) == nil)
        rename(log, log + ".1")
        #expect(try later.metered.usesToday() == 2)
        #expect(code("AttachDisk", later) == nil)
        unlink(folder.path + "/conf/key-use.head")
        #expect(try later.metered.usesToday() == 3)
        #expect(code("AttachDisk") == nil)
        #expect(code("AttachDisk", later) == .quotaExceeded)
        unlink(log + ".1")
        #expect(try later.metered.usesToday() == 4)
        try kms.metered.setDailyQuota(nil)
        #expect(try kms.metered.dailyQuota == nil)
        #expect(code("AttachDisk", later) == nil)
        try kms.metered.setDailyQuota(nil)
    }

    /// Everybody sees room at first; the log lets in as many as there is room for.
    @Test func manyAtOnceGetNoMoreThanTheQuota() async throws {
        try kms.metered.setDailyQuota(10)
        let path = folder.keystore
        let clock = clock
        let wrapped = wrapped
        let done = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let kms = makeKMS(path, clock: clock)
                    return (0..<6).count { _ in
                        KeyManagementTests.code {
                            _ = try kms.unwrap(wrapped, context: context, use: attaching)
                        } == nil
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(done == 10)
        #expect(try kms.metered.usesToday() == 10)
    }

    /// The backend is not troubled where there is no room.
    @Test func theCMKIsNotUsedBeyondTheQuota() throws {
        try kms.metered.setDailyQuota(0)
        let never = Unlocker.passphrase { () throws(KeyError) -> SecretBytes in
            Issue.record("asked")
            throw KeyError(.locked, "asked")
        }
        let locked = makeKMS(folder.keystore, unlocker: never, clock: clock)
        #expect(code("AttachDisk", locked) == .quotaExceeded)
    }
}
