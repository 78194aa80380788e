import CryptoPrimitives
import Foundation
import KeyManagement
import Testing

/// The keystore's file in hostile hands: a key is the right one, or there is a KeyError.
@Suite struct TamperingTests {
    private let folder: TemporaryFolder
    private let kms: MeteredKeystore
    private let wrapped: WrappedKey
    private let key: [UInt8]
    private let file: [UInt8]

    init() throws {
        folder = try TemporaryFolder()
        kms = makeKMS(folder.keystore)
        try kms.activate()
        let made = try kms.generateDataKey(context: context, use: creating)
        wrapped = made.wrapped
        key = made.takeKey().revealed
        file = try contents(folder.keystore)
    }

    /// The key that a new run gets from these bytes as keystore; nil after a KeyError.
    private func key(from bytes: [UInt8]) throws -> [UInt8]? {
        try Data(bytes).write(to: URL(fileURLWithPath: folder.keystore))
        let later = makeKMS(folder.keystore)
        do throws(KeyError) {
            // Unverified, so it may say anything, but must not crash.
            _ = try later.describe(use: attaching)
            return try later.unwrap(wrapped, context: context, use: attaching).revealed
        } catch {
            return nil
        }
    }

    @Test func everyFlippedBit() throws {
        #expect(try key(from: file) == key)
        var accepted = 0
        for bit in 0..<file.count * 8 {
            var flipped = file
            flipped[bit / 8] ^= 1 << (bit % 8)
            guard let found = try key(from: flipped) else { continue }
            accepted += 1
            try #require(found == key, "bit \(bit)")
        }
        // Only the line end after the object carries no meaning.
        #expect(accepted <= 8)
    }

    @Test func everyCut() throws {
        for count in 0..<file.count - 1 {
            let found = try key(from: Array(file.prefix(count)))
            #expect(found == nil, "cut to \(count) bytes")
        }
    }

    @Test func keystoreOfAnotherPassphrase() throws {
        let other = folder.path + "/other/keystore.json"
        let stranger = makeKMS(other, unlocker: .text("stranger"))
        try stranger.activate()
        _ = try stranger.generateDataKey(context: context, use: creating)
        #expect(try key(from: contents(other)) == nil)
        // The same passphrase, but another keystore: its CMK is another one.
        let twin = folder.path + "/twin/keystore.json"
        let second = makeKMS(twin)
        try second.activate()
        _ = try second.generateDataKey(context: context, use: creating)
        #expect(try key(from: contents(twin)) == nil)
    }

    /// A CMK moved within the file, by someone who cannot compute the MAC.
    @Test(arguments: [
        (#"\"region\":\"local\""#, #"\"region\":\"other\""#),
        (#"\"account\":\"1000\""#, #"\"account\":\"1001\""#),
        (#"\"n\":16"#, #"\"n\":32"#), (#"\"kind\":\"passphrase\""#, #"\"kind\":\"key-file\""#),
        (#"\"version\":1"#, #"\"version\":2"#),
    ])
    func editedFields(_ before: String, _ after: String) throws {
        let text = String(decoding: file, as: UTF8.self)
        let edited = text.replacingOccurrences(of: before, with: after)
        try #require(edited != text)
        #expect(try key(from: Array(edited.utf8)) == nil)
    }

    /// Parameters that would take all memory or all day are refused before anything is computed.
    @Test(arguments: [
        (#"\"n\":16"#, #"\"n\":2097152"#), (#"\"n\":16"#, #"\"n\":17"#),
        (#"\"n\":16"#, #"\"n\":1"#), (#"\"r\":1"#, #"\"r\":33"#), (#"\"p\":1"#, #"\"p\":17"#),
        (#"\"r\":1"#, #"\"r\":0"#),
        (#"\"n\":16,\"p\":1,\"r\":1"#, #"\"n\":1048576,\"p\":1,\"r\":32"#),
    ])
    func hostileCosts(_ before: String, _ after: String) throws {
        let text = String(decoding: file, as: UTF8.self)
        let edited = text.replacingOccurrences(of: before, with: after)
        try #require(edited != text)
        try Data(edited.utf8).write(to: URL(fileURLWithPath: folder.keystore))
        let asked = Unlocker.passphrase { () throws(KeyError) -> SecretBytes in
            throw KeyError(.locked, "asked")
        }
        let later = makeKMS(folder.keystore, unlocker: asked)
        #expect(code { _ = try later.unwrap(wrapped, context: context, use: attaching) } == .io)
    }

    @Test func oversizedFilesAreNotRead() throws {
        let padded = file + [UInt8](repeating: 0x20, count: 1 << 20)
        #expect(try key(from: padded) == nil)
    }

    /// A key held in memory stays what it is; what must be read again is verified again.
    @Test func changeWhileUnlocked() throws {
        var flipped = file
        flipped[file.count / 2] ^= 1
        try Data(flipped).write(to: URL(fileURLWithPath: folder.keystore))
        #expect(try kms.unwrap(wrapped, context: context, use: attaching).revealed == key)
        kms.lock()
        #expect(code { _ = try kms.unwrap(wrapped, context: context, use: attaching) } != nil)
    }
}
