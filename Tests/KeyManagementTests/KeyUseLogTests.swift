import CryptoPrimitives
import Foundation
import KeyManagement
import Testing

@Suite struct KeyUseLogTests {
    private let folder: TemporaryFolder
    private let log: String

    init() throws {
        folder = try TemporaryFolder()
        log = MeteredKeys.logPath(keystore: folder.keystore)
    }

    private struct Line: Decodable, Equatable {
        var time: String
        var action: String
        var operation: String
        var keyID: String?
        var account: String
        var region: String
        var resource: String
        var context: KeyContext?
        var result: String
    }

    private func lines() throws -> [Line] {
        try contents(log).split(separator: UInt8(ascii: "\n")).map {
            try JSONDecoder().decode(Line.self, from: Data($0))
        }
    }

    @Test func everyUseHasItsLine() throws {
        let clock = ManualClock(Timestamp(seconds: 0))
        let kms = makeKMS(folder.keystore, clock: clock)
        let describing = KeyUse(action: "DescribeKey", resource: "")
        _ = code { _ = try kms.generateDataKey(context: context, use: creating) }
        try kms.activate()
        clock.advance(bySeconds: 60)
        let wrapped = try kms.generateDataKey(context: context, use: creating).wrapped
        _ = try kms.unwrap(wrapped, context: context, use: attaching)
        let other = KeyContext(store: "st-9", lineage: "l\"9\n", epoch: 9, format: 9)
        _ = code { _ = try kms.unwrap(wrapped, context: other, use: attaching) }
        _ = try kms.describe(use: describing)

        func line(
            _ operation: String, _ use: KeyUse, keyID: String?, _ context: KeyContext?,
            _ result: String, time: String = "1970-01-01T00:01:00Z"
        ) -> Line {
            Line(
                time: time, action: use.action, operation: operation, keyID: keyID,
                account: "1000", region: "local", resource: use.resource, context: context,
                result: result)
        }
        let id = wrapped.keyID
        #expect(
            try lines() == [
                line(
                    "GenerateDataKey", creating, keyID: nil, context, "notActivated",
                    time: "1970-01-01T00:00:00Z"),
                line("GenerateDataKey", creating, keyID: id, context, "ok"),
                line("Decrypt", attaching, keyID: id, context, "ok"),
                line("Decrypt", attaching, keyID: id, other, "refused"),
                line("DescribeKey", describing, keyID: id, nil, "ok"),
            ])
        #expect(kms.usage() == ["CreateDisk": 2, "AttachDisk": 2, "DescribeKey": 1])
        #expect(mode(log) == 0o600)
    }

    @Test func holdsNoSecretsAndNeitherDoesTheKeystore() throws {
        let entropy = RecordingEntropy()
        let kms = makeKMS(folder.keystore, entropy: entropy)
        try kms.activate()
        let drawnBefore = entropy.drawn.count
        let made = try kms.generateDataKey(context: context, use: creating)
        let wrapped = made.wrapped
        let dataKey = made.takeKey().revealed
        _ = try kms.unwrap(wrapped, context: context, use: attaching)
        _ = code {
            _ = try makeKMS(folder.keystore, unlocker: .text("guess")).unwrap(
                wrapped, context: context, use: attaching)
        }
        // After activation, which draws the public salt, 32 bytes at once are keys: CMK, data key.
        let keys = entropy.drawn.dropFirst(drawnBefore).filter { $0.count == 32 }
        #expect(keys.count == 2)
        #expect(keys.contains(dataKey))
        let secrets = keys + [Array("correct horse".utf8), Array("guess".utf8)]
        for path in [folder.keystore, log] {
            let text = try contents(path)
            #expect(!text.isEmpty)
            for secret in secrets {
                let hex = secret.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                let base64 = Data(secret).base64EncodedString()
                for form in [secret, Array(hex.utf8), Array(base64.utf8)] {
                    #expect(Data(text).firstRange(of: Data(form)) == nil)
                }
            }
        }
    }

    @Test func useThatCannotBeLoggedFails() throws {
        let kms = makeKMS(folder.keystore)
        try kms.activate()
        let wrapped = try kms.generateDataKey(context: context, use: creating).wrapped
        // A folder in the log's place cannot be appended to, not even by root.
        try FileManager.default.removeItem(atPath: log)
        try FileManager.default.createDirectory(
            atPath: log, withIntermediateDirectories: false)
        #expect(code { _ = try kms.generateDataKey(context: context, use: creating) } == .io)
        #expect(code { _ = try kms.unwrap(wrapped, context: context, use: attaching) } == .io)
        #expect(code { _ = try kms.describe(use: creating) } == .io)
        // A refusal keeps its own code.
        let other = KeyContext(store: "", lineage: "", epoch: 0, format: 0)
        let error = #expect(throws: KeyError.self) {
            _ = try kms.unwrap(wrapped, context: other, use: attaching)
        }
        #expect(error?.code == .refused)
        #expect(error?.message.contains("not logged") == true)
    }

    /// A line that does not fit leaves nothing behind, and its key use fails (/dev/full has no
    /// length to cut, so the limit is the process's own).
    @Test func lineIsWholeOrAbsent() async throws {
        let (path, log) = (folder.keystore, log)
        let kms = makeKMS(path)
        try kms.activate()
        _ = try kms.generateDataKey(context: context, use: creating)
        let before = try contents(log)
        await expectRefusal(path, filesUpTo: before.count + 10)
        #expect(try contents(log) == before)
    }

    private func expectRefusal(_ path: String, filesUpTo size: Int) async {
        await #expect(processExitsWith: .success) { [path, size] in
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: rlim_t(size), rlim_max: rlim_t(size))
            guard setrlimit(Int32(RLIMIT_FSIZE.rawValue), &limit) == 0 else { exit(2) }
            let kms = makeKMS(path)
            exit(code { _ = try kms.describe(use: creating) } == .io ? 0 : 3)
        }
    }

    @Test func twoProvidersAppendToOneLog() async throws {
        let path = folder.keystore
        try makeKMS(path).activate()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let kms = makeKMS(path)
                    for _ in 0..<25 { _ = try kms.describe(use: creating) }
                }
            }
            try await group.waitForAll()
        }
        #expect(try lines().count == 100)
    }
}
