import CryptoPrimitives
import Foundation
import Testing

@testable import KeyManagement

/// A CMK's versions: the newest wraps, and each that there was unwraps.
@Suite struct RotationTests {
    private let folder: TemporaryFolder
    private let kms: EmbeddedKMS

    init() throws {
        folder = try TemporaryFolder()
        kms = makeKMS(folder.keystore).keystore
        #expect(code { _ = try kms.rotate() } == .notActivated)
        try kms.activate(unlocker: nil)
        #expect(code { _ = try kms.rotate() } == .unknownKey)
    }

    private func other() -> EmbeddedKMS { makeKMS(folder.keystore).keystore }

    private func make(_ kms: any KeyBackend) throws -> (wrapped: WrappedKey, key: [UInt8]) {
        let made = try kms.generateDataKey(context: context)
        let wrapped = made.wrapped
        return (wrapped, made.takeKey().revealed)
    }

    @Test func everyVersionUnwraps() throws {
        var keys = [try make(kms)]
        for version in 2...5 as ClosedRange<UInt32> {
            #expect(try kms.rotate() == version)
            #expect(try kms.describe()?.version == version)
            keys.append(try make(kms))
        }
        #expect(keys.map(\.wrapped.bytes.count) == [61, 65, 65, 65, 65])
        #expect(Set(keys.map(\.wrapped.keyID)).count == 1)
        for backend in [kms, other()] {
            for (wrapped, key) in keys {
                #expect(try backend.unwrap(wrapped, context: context).revealed == key)
                let newest = try backend.rewrap(wrapped, context: context)
                #expect(MasterKey.version(of: newest) == 5)
                #expect(try backend.unwrap(newest, context: context).revealed == key)
                #expect(try backend.rewrap(newest, context: context) == newest)
            }
        }
    }

    @Test func aProcessThatHasTheKeyFollowsAnother() throws {
        let before = try make(kms)
        #expect(try other().rotate() == 2)
        #expect(MasterKey.version(of: try make(kms).wrapped) == 2)
        #expect(try other().rotate() == 3)
        let newest = try kms.rewrap(before.wrapped, context: context)
        #expect(MasterKey.version(of: newest) == 3)
        #expect(try other().rotate() == 4)
        let latest = try make(other())
        #expect(try kms.unwrap(latest.wrapped, context: context).revealed == latest.key)
        // Where the keystore is gone, it goes on with what it knows.
        try FileManager.default.removeItem(atPath: folder.keystore)
        #expect(try kms.unwrap(before.wrapped, context: context).revealed == before.key)
        #expect(MasterKey.version(of: try make(kms).wrapped) == 4)
    }

    @Test func unlockersAndVersionsGoTogether() throws {
        let first = try make(kms)
        #expect(try kms.rotate() == 2)
        let second = try make(kms)
        // From version 3 to 4 of the keystore.
        _ = try kms.addUnlocker(.text("battery staple"))
        let opened = makeKMS(folder.keystore, unlocker: .text("battery staple")).keystore
        #expect(try opened.rotate() == 3)
        for (wrapped, key) in [first, second, try make(opened)] {
            #expect(try other().unwrap(wrapped, context: context).revealed == key)
        }
        let text = String(decoding: try contents(folder.keystore), as: UTF8.self)
        #expect(text.contains("\\\"version\\\":4"))
    }

    @Test func versionsAreBoundToWhatTheyWrapped() throws {
        let first = try make(kms)
        #expect(try kms.rotate() == 2)
        let second = try make(kms)
        for version in [0, 1, 3, 0xffff_ffff] as [UInt32] {
            var bytes = second.wrapped.bytes
            withUnsafeBytes(of: version.littleEndian) { bytes.replaceSubrange(1..<5, with: $0) }
            let moved = WrappedKey(keyID: second.wrapped.keyID, bytes: bytes)
            #expect(code { _ = try kms.unwrap(moved, context: context) } == .refused)
        }
        let relabelled = WrappedKey(
            keyID: first.wrapped.keyID,
            bytes: [2, 2, 0, 0, 0] + first.wrapped.bytes.dropFirst())
        #expect(code { _ = try kms.unwrap(relabelled, context: context) } == .refused)
    }

    @Test func rotationIsLoggedAndDoesNotCount() throws {
        let metered = MeteredKeys(kms)
        _ = try make(kms)
        try metered.setDailyQuota(0)
        #expect(try metered.rotate(use: KeyUse(action: "RotateKey", resource: "-")) == 2)
        let log = String(decoding: try contents(metered.logPath), as: UTF8.self)
        #expect(log.contains("\"operation\":\"RotateKey\""))
        #expect(try metered.verifyLog().damageCount == 0)
    }
}
