import CryptoPrimitives
import Foundation
import KeyManagement
import Testing

/// Several processes and one keystore, at the same time.
@Suite struct SecondProcessTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func nobodysChangeIsLost() async throws {
        let path = folder.keystore
        // Each activates an account and makes four CMKs, while the other does.
        async let first: Void = expectSuccess(path, "1000")
        async let second: Void = expectSuccess(path, "2000")
        _ = await (first, second)
        for account in ["1000", "2000"] {
            let kms = makeKMS(path, account: account)
            #expect(try kms.isActivated)
            for region in 0..<4 {
                let kms = makeKMS(path, account: account, region: "r\(region)")
                #expect(try kms.describe(use: creating) != nil)
            }
        }
    }

    private func expectSuccess(_ path: String, _ account: String) async {
        await #expect(processExitsWith: .success) { [path, account] in
            try makeKMS(path, account: account).activate()
            for region in 0..<4 {
                let kms = makeKMS(path, account: account, region: "r\(region)")
                _ = try kms.generateDataKey(context: context, use: creating)
            }
        }
    }

    /// Another process makes the CMK after this one read the keystore and before it writes: it
    /// happens here while this one is asked for its passphrase.
    @Test func cmkMadeMeanwhileIsUsed() throws {
        let path = folder.keystore
        try makeKMS(path).activate()
        let other = makeKMS(path)
        let slow = Unlocker.passphrase { () throws(KeyError) -> SecretBytes in
            _ = try other.generateDataKey(context: context, use: creating)
            guard case .passphrase(let source) = Unlocker.text("correct horse") else {
                throw KeyError(.locked, "no passphrase")
            }
            return try source()
        }
        let mine = try makeKMS(path, unlocker: slow)
            .generateDataKey(context: context, use: creating).wrapped.keyID
        #expect(try other.describe(use: creating)?.keyID == mine)
        let text = String(decoding: try contents(path), as: UTF8.self)
        #expect(text.components(separatedBy: "keyID").count == 2)
    }

    @Test func bothUseTheSameCMK() async throws {
        let path = folder.keystore
        let kms = makeKMS(path)
        try kms.activate()
        async let child: Void = expectKey(path)
        let mine = try kms.generateDataKey(context: context, use: creating).wrapped.keyID
        await child
        #expect(try kms.describe(use: creating)?.keyID == mine)
        let text = String(decoding: try contents(path), as: UTF8.self)
        #expect(text.components(separatedBy: "keyID").count == 2)
    }

    private func expectKey(_ path: String) async {
        await #expect(processExitsWith: .success) { [path] in
            _ = try makeKMS(path).generateDataKey(context: context, use: creating)
        }
    }
}
