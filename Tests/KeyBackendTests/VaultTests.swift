import CryptoPrimitives
import Foundation
import KeyManagement
import Testing

@testable import VaultKeys

/// What is special about a server: its tokens, its rotation, and its outages. Fails where there is
/// no OpenBao, which `Tests/run` installs.
@Suite struct VaultTests {
    private func backend(_ uri: String, limit: Double = 30) throws -> VaultBackend {
        try VaultBackend(VaultURI(uri), account: "1000", region: "cn-local", limit: limit)
    }

    @Test func theCMKCannotLeaveTheServer() throws {
        let server = try OpenBao.shared.get()
        let prefix = server.prefix()
        let backend = try backend(server.uri(prefix: prefix))
        #expect(try backend.activate())
        let (text, isRead) = try server.command(
            ["read", "-format=json", "transit/keys/\(prefix).1000.cn-local"])
        #expect(isRead)
        for line in [
            "\"exportable\": false", "\"deletion_allowed\": false",
            "\"allow_plaintext_backup\": false", "\"type\": \"aes256-gcm96\"",
        ] {
            #expect(text.contains(line))
        }
    }

    @Test func aKeyThatMayLeaveIsNotUsed() throws {
        let server = try OpenBao.shared.get()
        let prefix = server.prefix()
        try server.command(
            ["write", "-f", "transit/keys/\(prefix).1000.cn-local", "exportable=true"])
        let backend = try backend(server.uri(prefix: prefix))
        #expect(keyError { _ = try backend.activate() }?.code == .refused)
        #expect(keyError { _ = try backend.generateDataKey(context: context) }?.code == .refused)
    }

    @Test func aRotatedCMKUnwrapsAndRewraps() throws {
        let server = try OpenBao.shared.get()
        let prefix = server.prefix()
        let name = "transit/keys/\(prefix).1000.cn-local"
        let backend = try backend(server.uri(prefix: prefix))
        #expect(try backend.activate())
        let generated = try backend.generateDataKey(context: context)
        let wrapped = generated.wrapped
        let key = generated.takeKey()
        #expect(try server.command(["write", "-f", name + "/rotate"]).1)
        #expect(try backend.describe()?.version == 2)
        #expect(try backend.unwrap(wrapped, context: context).revealed == key.revealed)
        let newer = try backend.rewrap(wrapped, context: context)
        #expect(newer.keyID == wrapped.keyID)
        #expect(newer.bytes.starts(with: Array("vault:v2:".utf8)))
        #expect(try backend.unwrap(newer, context: context).revealed == key.revealed)
        #expect(try backend.rewrap(newer, context: context) == newer)
        // The old version is retired.
        #expect(try server.command(["write", name + "/config", "min_decryption_version=2"]).1)
        #expect(keyError { _ = try backend.unwrap(wrapped, context: context) }?.code == .disabled)
        #expect(try backend.unwrap(newer, context: context).revealed == key.revealed)
    }

    @Test func aWrongTokenIsLockedAndItsFileIsReadAnew() throws {
        let server = try OpenBao.shared.get()
        let uri = try server.uri(prefix: server.prefix(), token: "s.wrong-token")
        let backend = try backend(uri)
        let error = keyError { _ = try backend.activate() }
        #expect(error?.code == .locked)
        #expect(error?.message.contains("wrong-token") == false)
        guard case .file(let path) = try VaultURI(uri).tokenSource else {
            throw CancellationError()
        }
        try Data(OpenBao.token.utf8).write(to: URL(fileURLWithPath: path))
        #expect(try backend.activate())
        // An agent that replaces a token while the old one is in use.
        let command = uri.replacing("file:\(path)", with: "command:printf%20\(OpenBao.token)")
        #expect(try self.backend(command).isActivated)
        let twoLines = uri.replacing("file:\(path)", with: "command:printf%20'a%5Crb'")
        #expect(keyError { _ = try self.backend(twoLines).isActivated }?.code == .locked)
    }

    /// As KeyManagement.md says it.
    @Test func aSmallPolicySuffices() throws {
        let server = try OpenBao.shared.get()
        let prefix = server.prefix()
        let policy = try server.folder.write(
            """
            path "transit/encrypt/\(prefix).*" { capabilities = ["update"] }
            path "transit/decrypt/\(prefix).*" { capabilities = ["update"] }
            path "transit/keys/\(prefix).*" { capabilities = ["read", "create", "update"] }
            """, to: "policy-\(prefix)")
        #expect(try server.command(["policy", "write", prefix, policy]).1)
        let (token, isMade) = try server.command([
            "token", "create", "-policy=\(prefix)", "-field=token",
        ])
        #expect(isMade)
        let backend = try backend(server.uri(prefix: prefix, token: token))
        #expect(try backend.activate())
        let wrapped = try backend.generateDataKey(context: context).wrapped
        #expect(try backend.unwrap(wrapped, context: context).count == 32)
        // It is good for nobody else's keys.
        let other = try self.backend(server.uri(prefix: server.prefix(), token: token))
        #expect(keyError { _ = try other.isActivated }?.code == .locked)
    }

    @Test func aMountWithoutAnEngineIsTold() throws {
        let server = try OpenBao.shared.get()
        let uri = try server.uri(prefix: "x").replacing("/transit?", with: "/nothing?")
        #expect(keyError { _ = try backend(uri).isActivated }?.code == .io)
        #expect(keyError { _ = try backend(uri).activate() }?.code == .io)
    }

    @Test func onlyAServerThatIsVouchedForIsTalkedTo() throws {
        let server = try OpenBao(tls: true)
        let uri = try server.uri(prefix: "p")
        #expect(try backend(uri).activate())
        let without = uri.replacing("&ca=\(server.certificates)", with: "")
        #expect(keyError { _ = try backend(without).isActivated }?.code == .unavailable)
        let plain = uri.replacing("vault+https", with: "vault+http")
        #expect(keyError { _ = try backend(plain).isActivated } != nil)
    }

    @Test func aKeyThatWasDeletedSoftlyIsDisabled() throws {
        let server = try OpenBao.shared.get()
        let prefix = server.prefix()
        let backend = try VaultBackend(
            VaultURI(server.uri(prefix: prefix)), account: "1000", region: "local")
        #expect(try backend.activate())
        let wrapped = try backend.generateDataKey(context: context).wrapped
        let path = "transit/keys/\(backend.keyName)/soft-delete"
        try #require(try server.command(["delete", path]).1)
        #expect(try backend.describe()?.state == .disabled)
        for work in [
            { _ = try backend.unwrap(wrapped, context: context) },
            { _ = try backend.rewrap(wrapped, context: context) },
            { _ = try backend.generateDataKey(context: context) }, { _ = try backend.rotate() },
        ] as [() throws -> Void] {
            #expect(keyError(work)?.code == .disabled)
        }
    }

    @Test func outagesAreErrorsWithinTheLimit() throws {
        let server = try OpenBao()
        let backend = try backend(server.uri(prefix: "p"), limit: 1)
        #expect(try backend.activate())
        let wrapped = try backend.generateDataKey(context: context).wrapped
        func expectUnavailable(within limit: Double) {
            let took = seconds {
                let error = keyError { _ = try backend.unwrap(wrapped, context: context) }
                #expect(error?.code == .unavailable, "\(String(describing: error))")
            }
            #expect(took < limit)
        }
        kill(server.pid, SIGSTOP)
        try server.waitForState("T")
        expectUnavailable(within: 4)
        kill(server.pid, SIGCONT)
        #expect(try backend.unwrap(wrapped, context: context).count == 32)
        #expect(try server.command(["operator", "seal"]).1)
        expectUnavailable(within: 4)
        kill(server.pid, SIGKILL)
        try server.waitForState("Z")
        expectUnavailable(within: 4)
    }
}

/// What servers may do that no real one here does.
@Suite struct HostileServerTests {
    private func code(_ reply: String?, limit: Double = 5) throws -> (KeyError?, Double) {
        let server = try CannedServer(reply: reply)
        let uri = "vault+http://127.0.0.1:\(server.port)/t?token-source=command:echo%20t"
        let backend = try VaultBackend(VaultURI(uri), account: "a", region: "r", limit: limit)
        var error: KeyError?
        let took = seconds { error = keyError { _ = try backend.describe() } }
        withExtendedLifetime(server) {}
        return (error, took)
    }

    @Test func statusesAreTold() throws {
        let expected: [(String, KeyError.Code)] = [
            ("429 Too Many Requests", .unavailable), ("503 Service Unavailable", .unavailable),
            ("500 Internal Server Error", .unavailable), ("403 Forbidden", .locked),
            ("404 Not Found", .notActivated), ("400 Bad Request", .io), ("200 OK", .io),
        ]
        for (status, expectedCode) in expected {
            let (error, _) = try code(CannedServer.http(status, "{\"errors\":[]}"))
            #expect(error?.code == expectedCode, "\(status): \(String(describing: error))")
        }
    }

    @Test func redirectsAreNotFollowed() throws {
        let other = try CannedServer(reply: CannedServer.http("200 OK", "{}"))
        let (error, _) = try code(
            CannedServer.http(
                "307 Temporary Redirect", "",
                headers: "Location: http://127.0.0.1:\(other.port)/\r\n"))
        #expect(error?.code == .unavailable)
        #expect(other.requests == 0)
    }

    @Test func repliesHaveALimit() throws {
        let long = String(repeating: "x", count: ReplyBuffer.limit + 1)
        #expect(try code(CannedServer.http("200 OK", long)).0?.code == .unavailable)
        #expect(try code("HTTP/1.1 200 OK\r\n\r\n" + long).0?.code == .unavailable)
        #expect(try code("no http at all\r\n\r\n").0?.code == .unavailable)
        let deep = String(repeating: "[", count: 600)
        #expect(try code(CannedServer.http("200 OK", deep)).0?.code == .io)
    }

    @Test func silenceIsUnavailable() throws {
        let (error, took) = try code(nil, limit: 0.5)
        #expect(error?.code == .unavailable)
        #expect(took < 3)
    }
}

@Suite struct VaultURITests {
    @Test func partsAreRead() throws {
        let uri = try VaultURI(
            "vault+https://keys.example.com:8200/team/transit?key=disks&ca=/etc/ca.pem"
                + "&token-source=file:/run/token")
        #expect(uri.authority == "keys.example.com:8200")
        #expect(uri.mount == "team/transit")
        #expect(uri.certificates == "/etc/ca.pem")
        #expect(uri.tokenSource == .file("/run/token"))
        #expect(uri.location == "vault+https://keys.example.com:8200/team/transit?key=disks")
        let least = try VaultURI("vault+https://h")
        #expect(least.mount == "transit" && least.keyPrefix == "sealdisk")
        #expect(least.tokenSource == .prompt)
        for host in ["127.0.0.1:8200", "127.8.8.8", "[::1]:8200"] {
            #expect(try VaultURI("vault+http://\(host)/t").authority == host)
        }
    }

    @Test(arguments: [
        "https://h/t", "vault+http://h/t", "vault+http://127.0.0.1.example.com/t",
        "vault+http://localhost/t", "vault+https://", "vault+https:///t", "vault+https://h:0/t",
        "vault+https://u:p@h/t", "vault+https://h:x/t", "vault+https://h/t?token=s.1",
        "vault+https://h/../t", "vault+https://h/t%20", "vault+https://h/t?key=a/b",
        "vault+https://h/t?ca=x", "vault+https://h/t?token-source=env:X", "vault+https://h/t?a=b",
        "vault+https://[::1/t", "vault+https://h/t?key=a&key=b", "vault+https://h\r\n/t",
    ]) func whatCannotBeUsedIsRefused(_ text: String) {
        #expect(keyError { _ = try VaultURI(text) }?.code == .io)
    }

    @Test func namesAreOneToOne() throws {
        let uri = try VaultURI("vault+https://h")
        #expect(uri.keyName(account: "1000", region: "cn-local") == "sealdisk.1000.cn-local")
        let pairs = [
            ("a", "b.c"), ("a.b", "c"), ("a_2E", "b"), ("a.", "b"), ("a", ".b"), ("a-", "b"),
            ("a", "b-"), ("ä", "b"), ("a/", "b"),
        ]
        let names = pairs.map { uri.keyName(account: $0.0, region: $0.1) }
        #expect(Set(names).count == pairs.count)
        for name in names {
            #expect(
                name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }
            )
            #expect(!name.hasSuffix("-"))
        }
    }

    @Test func base64IsFoundationsOwn() throws {
        for count in 0..<70 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
            let text = Base64.encode(bytes)
            #expect(String(decoding: text, as: UTF8.self) == Data(bytes).base64EncodedString())
            var decoded = [UInt8](repeating: 0, count: count)
            let isRight = text.withUnsafeBytes { text in
                decoded.withUnsafeMutableBytes { Base64.decode(text, into: $0) }
            }
            #expect(isRight && decoded == bytes)
        }
        var one = [UInt8(0)]
        for wrong in ["AA=A", "A===", "AB==", "AA", "AAAA", "A-==", "AA= "] {
            let isRight = Array(wrong.utf8).withUnsafeBytes { text in
                one.withUnsafeMutableBytes { Base64.decode(text, into: $0) }
            }
            #expect(!isRight, "\(wrong)")
        }
    }
}
