import CryptoPrimitives
import Foundation
import Testing

@testable import KeyManagement

@Suite struct UnlockerTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func activated(_ unlocker: Unlocker) throws -> WrappedKey {
        let kms = makeKMS(folder.keystore, unlocker: unlocker)
        try kms.activate()
        return try kms.generateDataKey(context: context, use: creating).wrapped
    }

    private func unwrapCode(_ wrapped: WrappedKey, _ unlocker: Unlocker?) -> KeyError.Code? {
        code {
            _ = try makeKMS(folder.keystore, unlocker: unlocker).unwrap(
                wrapped, context: context, use: attaching)
        }
    }

    @Test func keyFileIsMadeAndFoundAgain() throws {
        let file = folder.path + "/keys/host.key"
        let wrapped = try activated(.keyFile(file))
        #expect(mode(file) == 0o600)
        #expect(try contents(file).count == 32)
        #expect(try Set(contents(file)).count > 8)
        #expect(unwrapCode(wrapped, nil) == nil)
        #expect(unwrapCode(wrapped, .keyFile(file)) == nil)

        let copy = try folder.write(contents(file), to: "copy")
        #expect(unwrapCode(wrapped, .keyFile(copy)) == nil)
        let other = try folder.write(Array(repeating: 7, count: 32), to: "other")
        #expect(unwrapCode(wrapped, .keyFile(other)) == .locked)
        #expect(unwrapCode(wrapped, .text("correct horse")) == .locked)
        try FileManager.default.removeItem(atPath: file)
        #expect(unwrapCode(wrapped, nil) == .locked)
    }

    @Test func existingKeyFileIsKept() throws {
        let content = [UInt8](0..<100)
        let file = try folder.write(content, to: "mine")
        let wrapped = try activated(.keyFile(file))
        #expect(try contents(file) == content)
        #expect(unwrapCode(wrapped, nil) == nil)
    }

    @Test(arguments: [(31, mode_t(0o600)), (0, 0o600), (32, 0o640), (32, 0o604), (32, 0o622)])
    func unfitKeyFilesAreRefused(_ count: Int, _ mode: mode_t) throws {
        let file = try folder.write(Array(repeating: 1, count: count), to: "key", mode: mode)
        let kms = makeKMS(folder.keystore, unlocker: .keyFile(file))
        #expect(code { try kms.activate() } == .locked)
        #expect(try !kms.isActivated)
    }

    @Test func keyFileThatIsNoFileIsRefused() throws {
        let kms = makeKMS(folder.keystore, unlocker: .keyFile(folder.path))
        #expect(code { try kms.activate() } == .locked)
    }

    @Test func commandGivesItsFirstLine() throws {
        let wrapped = try activated(.passphraseCommand("printf 'correct horse\\nmore\\n'"))
        // The sorts of passphrase open the same keystore.
        #expect(unwrapCode(wrapped, .text("correct horse")) == nil)
        #expect(unwrapCode(wrapped, .passphraseCommand("printf 'correct horse'")) == nil)
        #expect(unwrapCode(wrapped, .passphraseCommand("echo wrong")) == .locked)
        let file = try folder.write(Array(repeating: 1, count: 32), to: "key")
        #expect(unwrapCode(wrapped, .keyFile(file)) == .locked)
    }

    @Test(arguments: [
        ("echo correct horse; exit 3", "exit code 3"), ("kill -9 $$", "a signal"),
        ("true", "empty"), ("echo; echo correct horse", "empty"),
        ("head -c 1025 /dev/zero | tr '\\0' x", "at most 1024"),
    ])
    func failingCommandsAreRefused(_ command: String, _ cause: String) throws {
        let error = #expect(throws: KeyError.self) {
            _ = try activated(.passphraseCommand(command))
        }
        #expect(error?.code == .locked)
        #expect(error?.message.contains(cause) == true)
    }

    @Test func longOutputIsReadToItsEnd() throws {
        // A command that is cut short by SIGPIPE would not end with 0.
        let command = "set -e; echo correct horse; head -c 300000 /dev/zero; test -n ok"
        #expect(
            unwrapCode(try activated(.passphraseCommand(command)), .text("correct horse")) == nil)
    }

    /// A key file on a file system that does not answer: who waits is told, and nobody hangs.
    @Test func aKeyFileThatHangsIsGivenUp() throws {
        let gate = SecretSlot()
        let refusal = #expect(throws: KeyError.self) {
            _ = try KeyFile.within(0.05, "/away/key") { () throws(KeyError) in
                while true {
                    if let secret = gate.take() { return secret }
                    usleep(1000)
                }
            }
        }
        #expect(refusal?.code == .unavailable && refusal?.message.contains("/away/key") == true)
        // The thread that was left behind ends.
        gate.put(try SecretBytes(count: 1) { _ in })
        let other = #expect(throws: KeyError.self) {
            _ = try KeyFile.within(60, "key") { () throws(KeyError) in
                throw KeyError(.locked, "readable to others")
            }
        }
        #expect(other?.code == .locked)
    }
}
