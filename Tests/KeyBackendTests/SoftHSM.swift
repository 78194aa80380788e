import Foundation
import Synchronization
import Testing

/// The software token of Debian's softhsm2, with tokens of these tests alone. Each test takes one
/// of its own: the module reads what tokens there are once in a process.
final class SoftHSM: Sendable {
    static let module = "/usr/lib/softhsm/libsofthsm2.so"
    static let pin = "1234-correct"
    private static let count = 24

    static let shared = Result { try SoftHSM() }

    let folder: TemporaryFolder
    private let taken = Mutex(0)

    private init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder.path + "/tokens", withIntermediateDirectories: false)
        let configuration = try folder.write(
            "directories.tokendir = \(folder.path)/tokens\nlog.level = ERROR\n",
            to: "softhsm2.conf")
        // Once, before the module is loaded; nothing else here changes the environment.
        setenv("SOFTHSM2_CONF", configuration, 1)
        // What lives as long as the process has no owner whose end removes it.
        atexit {
            guard case .success(let hsm) = SoftHSM.shared else { return }
            try? FileManager.default.removeItem(atPath: hsm.folder.path)
        }
        for number in 0..<Self.count {
            let (output, isMade) = try run([
                "softhsm2-util", "--init-token", "--free", "--label", Self.label(number), "--pin",
                Self.pin, "--so-pin", "officer-pin",
            ])
            try #require(isMade, "\(output)")
        }
    }

    /// The label of a token that nobody else has.
    func token() throws -> String {
        let number = taken.withLock { taken in
            defer { taken += 1 }
            return taken
        }
        try #require(number < Self.count, "make more tokens")
        return Self.label(number)
    }

    /// All of one length: OpenSC's tool takes a label for any that it begins.
    private static func label(_ number: Int) -> String { "t \(100 + number)" }

    func uri(_ token: String, pin: String = SoftHSM.pin, object: String? = nil) throws -> String {
        let file = try folder.write(pin + "\n", to: "pin-\(Foundation.UUID().uuidString)")
        return "pkcs11:token=\(token.replacing(" ", with: "%20"))"
            + (object.map { ";object=\($0)" } ?? "")
            + "?module-path=\(Self.module)&pin-source=file:\(file)"
    }

    /// What another program sees and does: OpenSC's, in a process of its own.
    func tool(_ token: String, _ arguments: [String]) throws -> String {
        try run(
            ["pkcs11-tool", "--module", Self.module, "--token-label", token] + arguments
        ).0
    }
}
