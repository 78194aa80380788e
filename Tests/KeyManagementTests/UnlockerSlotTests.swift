import CryptoPrimitives
import Foundation
import Testing

@testable import KeyManagement

/// Several ways into one keystore.
@Suite struct UnlockerSlotTests {
    private let folder: TemporaryFolder
    private let wrapped: WrappedKey
    private let key: [UInt8]
    private let first: [UInt8]

    init() throws {
        folder = try TemporaryFolder()
        let kms = makeKMS(folder.keystore)
        try kms.activate()
        let made = try kms.generateDataKey(context: context, use: creating)
        wrapped = made.wrapped
        key = made.takeKey().revealed
        first = try contents(folder.keystore)
    }

    private func keystore(_ unlocker: Unlocker? = .text("correct horse")) -> EmbeddedKMS {
        makeKMS(folder.keystore, unlocker: unlocker).keystore
    }

    /// nil if the unlocker opens the keystore, and the key that comes out is the right one.
    private func refusal(_ unlocker: Unlocker?) -> KeyError.Code? {
        code {
            let found = try keystore(unlocker).unwrap(wrapped, context: context)
            guard found.revealed == key else { throw KeyError(.io, "another key") }
        }
    }

    private func recoveryFile(_ text: String) throws -> Unlocker {
        .recoveryKeyFile(try folder.write(Array((text + "\n").utf8), to: "recovery-\(text.hash)"))
    }

    @Test func everyUnlockerOpens() throws {
        let file = folder.path + "/stick.key"
        #expect(try keystore().addUnlocker(.keyFile(file)) == 2)
        #expect(try keystore(.keyFile(file)).addUnlocker(.text("battery staple")) == 3)
        let recovery = try keystore(.text("battery staple")).addRecoveryKey()
        #expect(recovery.id == 4)
        for unlocker in [
            .text("correct horse"), .text("battery staple"), .keyFile(file), nil,
            .text(recovery.text), .text(recovery.text.lowercased().filter { $0 != "-" }),
            try recoveryFile(recovery.text),
        ] as [Unlocker?] {
            #expect(refusal(unlocker) == nil)
        }
        #expect(refusal(.text("wrong horse")) == .locked)
        let other = try folder.write(Array(repeating: 7, count: 32), to: "other")
        #expect(refusal(.keyFile(other)) == .locked)
        let list = try keystore().unlockers()
        #expect(list.map(\.id) == [1, 2, 3, 4])
        #expect(list.map(\.kind) == ["passphrase", "key-file", "passphrase", "recovery-key"])
        #expect(list[1].keyFile == file)
        #expect(mode(folder.keystore) == 0o600)
        // Nothing that was put in is in there.
        let text = String(decoding: try contents(folder.keystore), as: UTF8.self)
        #expect(text.contains(#"\"version\":2"#) && !text.contains("horse"))
    }

    @Test func theFirstVersionIsListedAndKept() throws {
        #expect(try keystore().unlockers().map(\.id) == [1])
        #expect(code { try keystore().removeUnlocker(1) } == .refused)
        #expect(code { try keystore().removeUnlocker(9) } == .refused)
        #expect(
            code { _ = try keystore(.text("wrong")).addUnlocker(.text("new secret")) } == .locked)
        #expect(code { _ = try keystore().addUnlocker(.text("short")) } == .locked)
        #expect(try contents(folder.keystore) == first)
    }

    @Test func whatIsRemovedOpensNoMore() throws {
        let file = folder.path + "/stick.key"
        try keystore().addUnlocker(.keyFile(file))
        #expect(code { try keystore().removeUnlocker(1) } == .refused)
        try keystore(.keyFile(file)).removeUnlocker(1)
        #expect(refusal(.text("correct horse")) == .locked)
        #expect(refusal(.keyFile(file)) == nil)
        #expect(code { try keystore(.keyFile(file)).removeUnlocker(2) } == .refused)
        // An id is not given again.
        #expect(try keystore(.keyFile(file)).addUnlocker(.text("battery staple")) == 3)
        #expect(try keystore(.keyFile(file)).unlockers().map(\.id) == [2, 3])
    }

    @Test func passphrasesAreChanged() throws {
        try keystore().changePassphrase(to: .text("battery staple"))
        #expect(refusal(.text("correct horse")) == .locked)
        #expect(refusal(.text("battery staple")) == nil)
        // Forgotten: the recovery key is the way to a new one.
        let recovery = try keystore(.text("battery staple")).addRecoveryKey()
        try keystore(.text(recovery.text)).changePassphrase(to: .text("third time lucky"))
        #expect(refusal(.text("battery staple")) == .locked)
        #expect(refusal(.text("third time lucky")) == nil)
        try keystore(.text("third time lucky")).addUnlocker(.text("another one"))
        #expect(
            code {
                try keystore(.text(recovery.text)).changePassphrase(to: .text("which of them"))
            } == .refused)
        try keystore(.text("another one")).changePassphrase(to: .text("yet another"))
        #expect(refusal(.text("third time lucky")) == nil)
        #expect(refusal(.text("yet another")) == nil)
        #expect(refusal(.text("another one")) == .locked)
    }

    @Test func thereIsALimit() throws {
        for number in 2...KeystoreSlot.mostSlots {
            try keystore().addUnlocker(.text("passphrase \(number)"))
        }
        #expect(code { try keystore().addUnlocker(.text("one too many")) } == .refused)
        #expect(refusal(.text("passphrase 16")) == nil)
    }

    /// A mount that has the keystore open while another process changes the unlockers.
    @Test func whoHasItOpenGoesOn() throws {
        let kms = makeKMS(folder.keystore)
        _ = try kms.unwrap(wrapped, context: context, use: attaching)
        try keystore().addUnlocker(.text("battery staple"))
        #expect(try kms.unwrap(wrapped, context: context, use: attaching).revealed == key)
        #expect(try kms.describe(use: attaching)?.keyID == wrapped.keyID)
        let made = try kms.generateDataKey(context: context, use: creating).wrapped
        #expect(made.keyID == wrapped.keyID)
        try kms.unlock()
        #expect(try !kms.activate())
        #expect(try kms.keystore.rememberedKeyFiles.isEmpty)
        // Another account of the same keystore is added to what is there now.
        #expect(try makeKMS(folder.keystore, account: "2000").activate())
        #expect(refusal(.text("battery staple")) == nil)
    }

    @Test func everyFlippedBitIsRefused() throws {
        try keystore().addUnlocker(.text("battery staple"))
        let file = try contents(folder.keystore)
        var accepted = 0
        for bit in 0..<file.count * 8 {
            var flipped = file
            flipped[bit / 8] ^= 1 << (bit % 8)
            try Data(flipped).write(to: URL(fileURLWithPath: folder.keystore))
            if refusal(.text("battery staple")) == nil { accepted += 1 }
        }
        // Only the line end after the object carries no meaning.
        #expect(accepted <= 8)
    }

    /// The replacement is of the whole file, whatever one before it left behind.
    @Test func aChangeIsWholeOrNotThere() throws {
        // What an interrupted replacement left behind.
        try Data("half".utf8).write(to: URL(fileURLWithPath: folder.keystore + ".new"))
        #expect(refusal(.text("correct horse")) == nil)
        try keystore().addUnlocker(.text("battery staple"))
        #expect(refusal(.text("correct horse")) == nil)
        #expect(refusal(.text("battery staple")) == nil)
        #expect(access(folder.keystore + ".new", F_OK) != 0)
        // A folder that takes no new file: the change fails, and nothing was changed.
        let before = try contents(folder.keystore)
        mkdir(folder.keystore + ".new", 0o700)
        #expect(code { try keystore().addUnlocker(.text("third secret")) } == .io)
        #expect(try contents(folder.keystore) == before)
    }

    @Test func recoveryKeysAreToldFromSlips() throws {
        let secret = try SecretBytes(count: 32) { $0.copyBytes(from: (0..<32).map { UInt8($0) }) }
        let text = try RecoveryKey.text(secret)
        #expect(text.count == 56 + 13 && text.split(separator: "-").count == 14)
        #expect(try decoded(text) == [UInt8](0..<32))
        #expect(try decoded(" " + text.lowercased() + "\n") == [UInt8](0..<32))
        let letters = Array(text)
        for index in letters.indices where letters[index] != "-" {
            var slip = letters
            slip[index] = slip[index] == "7" ? "8" : "7"
            #expect(try decoded(String(slip)) == nil)
        }
        for wrong in [
            "", "correct horse", String(text.dropLast()), text + "0", "U" + text.dropFirst(),
        ] {
            #expect(try decoded(wrong) == nil)
        }
        let slip = try recoveryFile(String(text.dropLast()) + "~")
        #expect(refusal(slip) == .locked)
    }

    private func decoded(_ text: String) throws -> [UInt8]? {
        let bytes = Array(text.utf8)
        let secret = try SecretBytes(count: bytes.count) { $0.copyBytes(from: bytes) }
        let found = try RecoveryKey.decoded(secret)
        switch consume found {
        case .some(let key): return key.revealed
        case .none: return nil
        }
    }

    @Test func aKeystoreIsNotMadeWithARecoveryKey() throws {
        let kms = makeKMS(
            folder.path + "/new/keystore.json",
            unlocker: try recoveryFile("0000-0000-0000-0000-0000-0000-0000-0000"))
        #expect(code { try kms.activate() } == .locked)
        #expect(access(folder.path + "/new/keystore.json", F_OK) != 0)
    }
}
