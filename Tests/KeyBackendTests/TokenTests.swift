import CryptoPrimitives
import Foundation
import KeyManagement
import Synchronization
import Testing

@testable import PKCS11Keys

/// What is special about a token: its PIN, its objects, and its hanging.
@Suite struct TokenTests {
    private let hsm: SoftHSM
    private let token: String

    init() throws {
        hsm = try SoftHSM.shared.get()
        token = try hsm.token()
    }

    private func backend(_ uri: String, limit: Double = 30) throws -> PKCS11Backend {
        try PKCS11Backend(PKCS11URI(uri), account: "1000", region: "local", limit: limit)
    }

    @Test func theKeyIsMadeInsideAndStaysThere() throws {
        let backend = try backend(hsm.uri(token))
        #expect(try backend.activate())
        // The CMK comes with the first data key.
        #expect(try backend.describe() == nil)
        _ = try backend.generateDataKey(context: context)
        let listing = try hsm.tool(token, ["--login", "--pin", SoftHSM.pin, "--list-objects"])
        #expect(listing.contains("sealdisk 1000 local"))
        #expect(listing.contains("AES length 32"))
        #expect(
            listing.contains("Access:     never extractable, always sensitive, local")
                || listing.contains("always sensitive, never extractable, local")
                || listing.contains("sensitive, always sensitive, never extractable, local"))
        let value = try hsm.tool(
            token,
            [
                "--login", "--pin", SoftHSM.pin, "--read-object", "--type", "secrkey", "--label",
                "sealdisk 1000 local",
            ])
        #expect(value.contains("error") || value.contains("sensitive"))
    }

    @Test func aKeyFromOutsideIsNotUsed() throws {
        let backend = try backend(hsm.uri(token, object: "mine"))
        #expect(try backend.activate())
        let id = Hex.text(backend.name.owner + Array(repeating: 0, count: 16))
        let file = try hsm.folder.write(String(repeating: "k", count: 32), to: "outside")
        let output = try hsm.tool(
            token,
            [
                "--login", "--pin", SoftHSM.pin, "--write-object", file, "--type", "secrkey",
                "--key-type", "AES:32", "--label", "mine", "--id", id,
            ])
        #expect(output.contains("mine"), "\(output)")
        let error = keyError { _ = try backend.generateDataKey(context: context) }
        #expect(error?.code == .refused, "\(String(describing: error))")
    }

    @Test func aWrongPINIsTriedOnce() throws {
        let uri = try hsm.uri(token, pin: "wrong-pin-1")
        let backend = try backend(uri)
        for _ in 0..<12 {
            let error = keyError { _ = try backend.activate() }
            #expect(error?.code == .locked)
            #expect(error?.message.contains("wrong-pin-1") == false)
        }
        // SoftHSM does not lock by itself, so that one attempt was made is read from its flags: a
        // right PIN afterwards works, and the file is looked at anew.
        let parsed = try PKCS11URI(uri)
        guard case .file(let path) = parsed.pinSource else { throw CancellationError() }
        try Data((SoftHSM.pin + "\n").utf8).write(to: URL(fileURLWithPath: path))
        #expect(try backend.activate())
    }

    @Test func aPINWithoutAnOwnerIsLocked() throws {
        let missing =
            "pkcs11:token=\(token.replacing(" ", with: "%20"))"
            + "?module-path=\(SoftHSM.module)&pin-source=file:\(hsm.folder.path)/none"
        #expect(keyError { _ = try backend(missing).activate() }?.code == .locked)
        let open = try hsm.folder.write(SoftHSM.pin, to: "open-\(token)", mode: 0o644)
        let readable = missing.replacing(
            "/none", with: "/open-\(token)".replacing(" ", with: "%20"))
        #expect(FileManager.default.fileExists(atPath: open))
        #expect(keyError { _ = try backend(readable).activate() }?.code == .locked)
        let printed = missing.replacing(
            "file:\(hsm.folder.path)/none", with: "%7Cecho%20\(SoftHSM.pin)")
        #expect(try backend(printed).activate())
    }

    @Test func whatIsNotThereIsUnavailable() throws {
        let absent = keyError { _ = try backend(hsm.uri("nowhere")).isActivated }
        #expect(absent?.code == .unavailable)
        #expect(absent?.message.contains("nowhere") == true)
        let uri = try hsm.uri(token).replacing(SoftHSM.module, with: "/usr/lib/none.so")
        #expect(keyError { _ = try backend(uri).isActivated }?.code == .unavailable)
        let other = try hsm.uri(token).replacing(
            SoftHSM.module, with: "/lib/x86_64-linux-gnu/libc.so.6")
        #expect(keyError { _ = try backend(other).isActivated }?.code == .io)
    }

    @Test func aLostSessionIsOpenedAgain() throws {
        let backend = try backend(hsm.uri(token))
        #expect(try backend.activate())
        let wrapped = try backend.generateDataKey(context: context).wrapped
        for _ in 0..<3 {
            // As another user of the module in this process may do at any time.
            try backend.onToken(publicly: true) { (token) throws(TokenError) in
                try token.call("C_CloseSession") { $0.C_CloseSession?($1) }
            }
            #expect(try backend.unwrap(wrapped, context: context).count == 32)
        }
    }

    @Test func aCallThatHangsIsUnavailable() throws {
        let backend = try backend(hsm.uri(token), limit: 0.3)
        #expect(try backend.activate())
        let hung = HungCall()
        let took = seconds {
            let error = keyError {
                try backend.onToken { (_) throws(TokenError) in hung.wait() }
            }
            #expect(error?.code == .unavailable)
        }
        #expect(took >= 0.25 && took < 5)
        // The next one does not wait behind it.
        let after = seconds {
            let error = keyError { _ = try backend.describe() }
            #expect(error?.code == .unavailable)
        }
        #expect(after < 0.2)
        hung.end()
        for _ in 0..<200 {
            if keyError({ _ = try backend.describe() }) == nil { break }
            usleep(10_000)
        }
        #expect(try backend.describe() == nil)
    }

    @Test func manyThreadsMayAsk() throws {
        let backend = try backend(hsm.uri(token))
        #expect(try backend.activate())
        let wrapped = Mutex<[WrappedKey]>([])
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<8 {
                guard let key = try? backend.generateDataKey(context: context) else { continue }
                wrapped.withLock { $0.append(key.wrapped) }
            }
        }
        let keys = wrapped.withLock { $0 }
        #expect(keys.count == 64)
        #expect(Set(keys.map(\.keyID)).count == 1)
        for key in keys { #expect(try backend.unwrap(key, context: context).count == 32) }
    }
}

/// A call into a module that does not come back until it is told.
private final class HungCall: Sendable {
    private let isHanging = Mutex(true)

    func wait() { while isHanging.withLock({ $0 }) { usleep(5_000) } }
    func end() { isHanging.withLock { $0 = false } }
}
