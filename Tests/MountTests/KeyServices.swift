import Foundation
import HostPrograms
import Testing

/// A token of Debian's softhsm2, in the folder of a rig.
struct SoftToken {
    let environment: [String: String]

    init(in rig: Rig) throws {
        let folder = try rig.makeFolder("token")
        let (configuration, pin) = (folder + "/softhsm2.conf", folder + "/pin")
        try Data("directories.tokendir = \(folder)\n".utf8)
            .write(to: URL(fileURLWithPath: configuration))
        try Data("1234-correct\n".utf8).write(to: URL(fileURLWithPath: pin))
        chmod(pin, 0o600)
        try Command.succeed(
            "softhsm2-util", "--init-token", "--free", "--label", "disks", "--pin", "1234-correct",
            "--so-pin", "officer-pin", environment: ["SOFTHSM2_CONF": configuration])
        environment = [
            "SOFTHSM2_CONF": configuration,
            "SEALDISK_KMS": "pkcs11:token=disks?module-path=/usr/lib/softhsm/libsofthsm2.so"
                + "&pin-source=file:\(pin)",
        ]
    }
}

/// A key server of Vault's interface, which Tests/run installs. It ends with its owner, or with
/// this process, whichever is first.
final class KeyServer {
    static let binary: String? = {
        let named = ProcessInfo.processInfo.environment["SEALDISK_OPENBAO"]
        let path = named ?? "/usr/local/bin/bao"
        return access(path, X_OK) == 0 ? path : nil
    }()
    private static let token = "root-of-tests"

    let uri: String
    private let folder: String
    private let port: UInt16
    private let server: Program
    /// Its end is what the server's guard waits for.
    private let leash = Pipe()

    init(in rig: Rig) throws {
        folder = try rig.makeFolder("server")
        port = UInt16.random(in: 20_000..<30_000)
        let file = folder + "/token"
        try Data((Self.token + "\n").utf8).write(to: URL(fileURLWithPath: file))
        chmod(file, 0o600)
        uri = "vault+http://127.0.0.1:\(port)/transit?key=disks&token-source=file:\(file)"
        server = try Program(
            "sh",
            [
                "-c", "\"$0\" \"$@\" >\"$HOME/log\" 2>&1 & read _; kill -9 $!",
                try #require(Self.binary), "server", "-dev", "-dev-root-token-id=\(Self.token)",
                "-dev-no-store-token", "-dev-listen-address=127.0.0.1:\(port)",
            ],
            environment: ["HOME": folder, "PATH": "/usr/bin:/bin"], input: .pipe(leash))
        for _ in 0..<100 {
            if try command("secrets", "enable", "transit").status == 0 { return }
            usleep(100_000)
        }
        throw Command.Failure(description: "the key server does not start; see \(folder)/log")
    }

    deinit { end() }

    /// Kills it; nothing listens on its port afterwards.
    func end() {
        try? leash.fileHandleForWriting.close()
        server.waitUntilExit()
    }

    /// Its own command line, as the administrator.
    @discardableResult
    func command(_ arguments: String...) throws -> Command.Outcome {
        try Command.run(
            try #require(Self.binary), arguments,
            environment: [
                "VAULT_ADDR": "http://127.0.0.1:\(port)", "VAULT_TOKEN": Self.token,
                "HOME": folder,
            ])
    }
}
