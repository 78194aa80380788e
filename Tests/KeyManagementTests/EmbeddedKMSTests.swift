import CryptoPrimitives
import Foundation
import KeyManagement
import Testing

@Suite struct EmbeddedKMSTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func activationIsIdempotentAndPrivate() throws {
        let kms = makeKMS(folder.keystore)
        #expect(try kms.activate())
        #expect(try kms.isActivated)
        let before = try contents(folder.keystore)
        #expect(try !kms.activate())
        #expect(try !makeKMS(folder.keystore, unlocker: nil).activate())
        #expect(try contents(folder.keystore) == before)
        #expect(mode(folder.keystore) == 0o600)
        #expect(mode(folder.path + "/conf") == 0o700)
        #expect(!FileManager.default.fileExists(atPath: folder.keystore + ".new"))
    }

    /// Whoever gives a secret may back it up afterwards: it must be the right one.
    @Test func activatingAgainVerifiesTheSecret() throws {
        try makeKMS(folder.keystore).activate()
        let before = try contents(folder.keystore)
        let missing = folder.path + "/missing.key"
        for wrong in [Unlocker.text("another"), .keyFile(missing)] {
            let kms = makeKMS(folder.keystore, unlocker: wrong)
            let error = #expect(throws: KeyError.self) { try kms.activate() }
            #expect(error?.code == .locked)
            #expect(error?.message.contains("active already") == true)
        }
        #expect(code { try makeKMS(folder.keystore).activate(unlocker: .text("no")) } == .locked)
        #expect(try !makeKMS(folder.keystore).activate())
        #expect(!FileManager.default.fileExists(atPath: missing))
        #expect(try contents(folder.keystore) == before)
    }

    @Test func activatingAgainMakesNoKeyFile() throws {
        let (right, missing) = (folder.path + "/right.key", folder.path + "/missing.key")
        try makeKMS(folder.keystore, unlocker: .keyFile(right)).activate()
        let other = try folder.write(Array(repeating: 1, count: 32), to: "other.key")
        for wrong in [missing, other] {
            let kms = makeKMS(folder.keystore, unlocker: .keyFile(wrong))
            #expect(code { try kms.activate() } == .locked)
        }
        #expect(!FileManager.default.fileExists(atPath: missing))
        #expect(try !makeKMS(folder.keystore, unlocker: .keyFile(right)).activate())
    }

    @Test func laterRunsUnwrap() throws {
        let first = makeKMS(folder.keystore)
        try first.activate()
        let made = try first.generateDataKey(context: context, use: creating)
        let wrapped = made.wrapped
        let later = makeKMS(folder.keystore)
        #expect(
            try later.unwrap(wrapped, context: context, use: attaching).revealed
                == made.takeKey().revealed)
        later.lock()
        #expect(try later.unwrap(wrapped, context: context, use: attaching).count == 32)
        #expect(
            try later.generateDataKey(context: context, use: creating).wrapped.keyID
                == wrapped.keyID)
    }

    @Test func wrongPassphraseIsToldAtOnce() throws {
        let right = makeKMS(folder.keystore)
        try right.activate()
        let wrapped = try right.generateDataKey(context: context, use: creating).wrapped
        let wrong = makeKMS(folder.keystore, unlocker: .text("wrong"))
        let error = #expect(throws: KeyError.self) {
            _ = try wrong.unwrap(wrapped, context: context, use: attaching)
        }
        #expect(error?.code == .locked)
        #expect(
            error?.message.contains("wrong passphrase for keystore \(folder.keystore)") == true)
        // Adding an account needs the keystore's key too.
        let other = makeKMS(folder.keystore, account: "2000", unlocker: .text("wrong"))
        #expect(code { try other.activate() } == .locked)
        #expect(try !other.isActivated)
        // lock() forgets: the provider asks again, and now gets another answer.
        let asked = makeKMS(folder.keystore, unlocker: .text("correct horse"))
        _ = try asked.unwrap(wrapped, context: context, use: attaching)
        #expect(
            code { try makeKMS(folder.keystore, unlocker: .text("")).lockAndUse(wrapped) }
                == .locked)
    }

    @Test func accountsAndRegionsHaveTheirOwnCMK() throws {
        var keyIDs: Set<String> = []
        for account in ["1000", "2000"] {
            for region in ["local", "remote"] {
                let kms = makeKMS(folder.keystore, account: account, region: region)
                try kms.activate()
                keyIDs.insert(
                    try kms.generateDataKey(context: context, use: creating).wrapped.keyID)
                let created = try kms.describe(use: creating)?.created.description
                #expect(created == "2026-11-23T22:00:00Z")
            }
        }
        #expect(keyIDs.count == 4)
        let foreign = try makeKMS(folder.keystore, account: "1000", region: "local")
            .generateDataKey(context: context, use: creating).wrapped
        let other = makeKMS(folder.keystore, account: "1000", region: "remote")
        #expect(
            code { _ = try other.unwrap(foreign, context: context, use: attaching) } == .unknownKey)
    }

    @Test func unlockingWaitsForTheFirstUse() throws {
        try makeKMS(folder.keystore).activate()
        let never = Unlocker.passphrase { () throws(KeyError) -> SecretBytes in
            throw KeyError(.locked, "asked")
        }
        let kms = makeKMS(folder.keystore, unlocker: never)
        #expect(try kms.isActivated)
        #expect(try kms.describe(use: creating) == nil)
        let error = #expect(throws: KeyError.self) {
            _ = try kms.generateDataKey(context: context, use: creating)
        }
        #expect(error?.message == "asked")
        #expect(code { try kms.unlock() } == .locked)
        let willing = makeKMS(folder.keystore)
        try willing.unlock()
        #expect(willing.usage().isEmpty)
    }

    @Test func passphrasesCostTheStandardUnlessTold() throws {
        let kms = EmbeddedKMS(
            path: folder.keystore, account: "1000", region: "local", unlocker: .text("open sesame"))
        try kms.activate()
        let text = String(decoding: try contents(folder.keystore), as: UTF8.self)
        #expect(text.contains(#"\"scrypt\":{\"n\":131072,\"p\":1,\"r\":8}"#))
    }

    @Test func keystoreOpenToOthersIsRefused() throws {
        let kms = makeKMS(folder.keystore)
        try kms.activate()
        for open: mode_t in [0o620, 0o602, 0o640, 0o604, 0o644] {
            chmod(folder.keystore, open)
            #expect(code { _ = try kms.isActivated } == .io)
        }
        chmod(folder.keystore, 0o600)
        #expect(try kms.isActivated)
    }

    /// In a folder that others may write to, they could put another keystore in its place.
    @Test func aFolderOpenToOthersIsRefused() throws {
        let kms = makeKMS(folder.keystore)
        try kms.activate()
        let place = folder.path + "/conf"
        for open: mode_t in [0o777, 0o770, 0o702] {
            chmod(place, open)
            #expect(code { _ = try kms.isActivated } == .io)
        }
        // Sticky, as /tmp is: a name is its owner's alone.
        chmod(place, 0o1777)
        #expect(try kms.isActivated)
        chmod(place, 0o700)
    }

    @Test(arguments: ["", "a", "1234567"]) func aShortNewPassphraseIsRefused(text: String) throws {
        let kms = makeKMS(folder.keystore, unlocker: .text(text))
        #expect(code { try kms.activate() } == .locked)
        #expect(access(folder.keystore, F_OK) != 0)
    }

    /// What was planted where the log or the lock would be: no wait, nothing written through.
    @Test(arguments: ["key-use.log", "keystore.json.lock"], ["pipe", "link", "hard link"])
    func plantedFilesAreRefused(name: String, kind: String) throws {
        let kms = makeKMS(folder.keystore)
        try kms.activate()
        let victim = try folder.write([1, 2, 3], to: "victim")
        let planted = folder.path + "/conf/" + name
        unlink(planted)
        switch kind {
        case "pipe": mkfifo(planted, 0o600)
        case "link": symlink(victim, planted)
        default: link(victim, planted)
        }
        #expect(code { _ = try kms.generateDataKey(context: context, use: creating) } == .io)
        #expect(try contents(victim) == [1, 2, 3])
    }

    @Test func manyThreadsShareOneCMK() async throws {
        let kms = makeKMS(folder.keystore)
        try kms.activate()
        kms.lock()
        let keyIDs = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    try kms.generateDataKey(context: context, use: creating).wrapped.keyID
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(keyIDs.count == 1)
        #expect(kms.usage() == ["CreateDisk": 16])
    }

    @Test func defaultPathFollowsTheUser() {
        let path = EmbeddedKMS.defaultPath()
        #expect(path.hasPrefix("/"))
        #expect(path.hasSuffix("/sealdisk/keystore.json"))
        if geteuid() == 0 { #expect(path == "/etc/sealdisk/keystore.json") }
        #expect(MeteredKeys.logPath(keystore: "/a/k.json") == "/a/key-use.log")
        #expect(MeteredKeys.logPath(keystore: "/k.json") == "/key-use.log")
        #expect(MeteredKeys.logPath(keystore: "k.json") == "./key-use.log")
    }
}

extension MeteredKeystore {
    fileprivate func lockAndUse(_ wrapped: WrappedKey) throws {
        lock()
        _ = try unwrap(wrapped, context: context, use: attaching)
    }
}
