import Foundation
import HostPrograms
import Synchronization
import Testing

/// A real server of Vault's interface in development mode, on a port of its own. It ends with its
/// owner, or with this process, whichever is first.
final class OpenBao: Sendable {
    static let token = "root-of-tests"

    /// Tests/run installs it and says where it is.
    static let binary: String? = {
        let named = ProcessInfo.processInfo.environment["SEALDISK_OPENBAO"]
        let path = named ?? "/usr/local/bin/bao"
        return access(path, X_OK) == 0 ? path : nil
    }()

    /// One for all tests that do not harm it.
    static let shared = Result { try OpenBao() }

    let folder: TemporaryFolder
    let port: UInt16
    let isTLS: Bool
    let pid: pid_t
    /// Its end is what the guard below waits for.
    private let leash: Pipe
    private let taken = Mutex(0)

    init(tls: Bool = false) throws {
        let binary = try #require(Self.binary)
        folder = try TemporaryFolder()
        port = try freePort()
        isTLS = tls
        leash = Pipe()
        atexit {
            guard case .success(let server) = OpenBao.shared else { return }
            try? FileManager.default.removeItem(atPath: server.folder.path)
        }
        let output = Pipe()
        _ = try Program(
            "sh",
            [
                "-c", "\"$0\" \"$@\" >\"$HOME/log\" 2>&1 & echo $!; read _; kill -9 $!", binary,
                "server", "-dev-root-token-id=\(Self.token)", "-dev-no-store-token",
                "-dev-listen-address=127.0.0.1:\(port)",
            ] + (tls ? ["-dev-tls", "-dev-tls-cert-dir=\(folder.path)"] : ["-dev"]),
            environment: ["HOME": folder.path, "PATH": "/usr/bin:/bin"],
            input: .pipe(leash), output: .pipe(output))
        var line = ""
        while !line.hasSuffix("\n") {
            let part = output.fileHandleForReading.availableData
            if part.isEmpty { break }
            line += String(decoding: part, as: UTF8.self)
        }
        pid = try #require(pid_t(line.dropLast()))
        var isReady = false
        for _ in 0..<100 where !isReady {
            isReady = try command(["secrets", "enable", "transit"]).1
            if !isReady { usleep(100_000) }
        }
        try #require(isReady, "the server does not start; see \(folder.path)/log")
    }

    deinit {
        kill(pid, SIGCONT)
        try? leash.fileHandleForWriting.close()
    }

    /// Until the kernel has done what a signal asked: `T` stopped; `Z` ended, or gone altogether.
    func waitForState(_ letter: Character) throws {
        for _ in 0..<500 {
            let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            guard let text, let end = text.lastIndex(of: ")") else { return }
            if text[end...].dropFirst(2).first == letter { return }
            usleep(10_000)
        }
        Issue.record("the server does not heed signals")
    }

    /// Its own command line, as the administrator.
    @discardableResult
    func command(_ arguments: [String]) throws -> (String, Bool) {
        try run(
            [try #require(Self.binary)] + arguments,
            environment: [
                "VAULT_ADDR": "\(isTLS ? "https" : "http")://127.0.0.1:\(port)",
                "VAULT_TOKEN": Self.token, "VAULT_CACERT": isTLS ? certificates : "",
                "HOME": folder.path,
            ])
    }

    var certificates: String { folder.path + "/vault-ca.pem" }

    /// What begins the names of CMKs that nobody else has.
    func prefix() -> String {
        "p"
            + String(
                taken.withLock { taken in
                    taken += 1
                    return taken
                })
    }

    func uri(prefix: String, token: String = OpenBao.token) throws -> String {
        let file = try folder.write(token + "\n", to: "token-\(Foundation.UUID().uuidString)")
        return "vault+\(isTLS ? "https" : "http")://127.0.0.1:\(port)/transit?key=\(prefix)"
            + "&token-source=file:\(file)" + (isTLS ? "&ca=\(certificates)" : "")
    }
}

/// A port of the loopback address that nobody listened at a moment ago.
func freePort() throws -> UInt16 {
    let (socket, port) = try listener()
    close(socket)
    return port
}

/// A socket that listens on the loopback address, and its port.
func listener() throws -> (Int32, UInt16) {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    try #require(socket >= 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { address in
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(socket, address, length) + listen(socket, 8)
                + getsockname(socket, address, &length)
        }
    }
    try #require(status == 0)
    return (socket, UInt16(bigEndian: address.sin_port))
}

/// A server that gives every request the same reply; without one, it never replies.
final class CannedServer: Sendable {
    let port: UInt16
    private let socket: Int32
    private let counter = Counter()

    final class Counter: Sendable { let value = Atomic(0) }

    var requests: Int { counter.value.load(ordering: .relaxed) }

    init(reply: String?) throws {
        (socket, port) = try listener()
        Thread.detachNewThread { [socket, counter] in
            while true {
                let peer = accept(socket, nil, nil)
                if peer < 0 { return }
                counter.value.add(1, ordering: .relaxed)
                var buffer = [UInt8](repeating: 0, count: 16_384)
                _ = read(peer, &buffer, buffer.count)
                guard let reply else { continue }
                let bytes = Array(reply.utf8)
                _ = send(peer, bytes, bytes.count, Int32(MSG_NOSIGNAL))
                close(peer)
            }
        }
    }

    deinit { shutdown(socket, Int32(SHUT_RDWR)) }

    static func http(_ status: String, _ body: String, headers: String = "") -> String {
        "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)"
    }
}
