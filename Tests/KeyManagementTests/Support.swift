import CryptoPrimitives
import Foundation
import KeyManagement
import Synchronization

/// A folder of this test alone, removed with its owner. In memory where the host offers that: these
/// tests sync thousands of small files.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        // Tests/run names a place there that it clears itself.
        let base =
            ProcessInfo.processInfo.environment["SEALDISK_TESTS_MEMORY"]
            ?? (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NSTemporaryDirectory())
        path = base + "/sealdisk-keys-" + Foundation.UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700]
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var keystore: String { path + "/conf/keystore.json" }

    func write(_ bytes: [UInt8], to name: String, mode: mode_t = 0o600) throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        chmod(file, mode)
        return file
    }
}

func contents(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}

func mode(_ path: String) -> mode_t {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
}

extension Unlocker {
    static func text(_ passphrase: String) -> Unlocker {
        .passphrase { () throws(KeyError) -> SecretBytes in
            do throws(CryptoError) {
                let bytes = Array(passphrase.utf8)
                return try SecretBytes(count: bytes.count) { $0.copyBytes(from: bytes) }
            } catch {
                throw KeyError(.io, error.message)
            }
        }
    }
}

extension ScryptCost {
    /// Nothing to protect here, thousands of times.
    static let test = ScryptCost(n: 16, r: 1, p: 1)
}

extension SecretBytes {
    var revealed: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}

/// Random bytes of the system that a test can look up afterwards.
final class RecordingEntropy: Entropy {
    private let record = Mutex<[[UInt8]]>([])

    var drawn: [[UInt8]] { record.withLock { $0 } }

    func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(CryptoError) {
        try SystemEntropy().fill(buffer)
        record.withLock { $0.append([UInt8](buffer)) }
    }
}

let context = KeyContext(store: "st-1", lineage: "l-1", epoch: 1, format: 1)
let creating = KeyUse(action: "CreateDisk", resource: "d-1")
let attaching = KeyUse(action: "AttachDisk", resource: "d-1")

func makeKMS(
    _ path: String, account: String = "1000", region: String = "local",
    unlocker: Unlocker? = .text("correct horse"),
    clock: any WallClock = ManualClock(Timestamp(seconds: 1_795_471_200)),
    entropy: any Entropy = SystemEntropy()
) -> MeteredKeystore {
    let keystore = EmbeddedKMS(
        path: path, account: account, region: region, unlocker: unlocker, clock: clock,
        entropy: entropy, cost: .test)
    return MeteredKeystore(keystore: keystore, metered: MeteredKeys(keystore, clock: clock))
}

/// A keystore and its metering, as the program puts them together.
struct MeteredKeystore: KeyProvider {
    let keystore: EmbeddedKMS
    let metered: MeteredKeys

    @discardableResult
    func activate(unlocker: Unlocker? = nil) throws(KeyError) -> Bool {
        try keystore.activate(unlocker: unlocker)
    }

    var isActivated: Bool { get throws(KeyError) { try metered.isActivated } }

    func unlock() throws(KeyError) { try keystore.unlock() }
    func lock() { keystore.lock() }
    func usage() -> [String: UInt64] { metered.usage() }

    func generateDataKey(
        context: KeyContext, use: KeyUse
    ) throws(KeyError) -> GeneratedDataKey {
        try metered.generateDataKey(context: context, use: use)
    }

    func unwrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> SecretBytes {
        try metered.unwrap(wrapped, context: context, use: use)
    }

    func rewrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> WrappedKey {
        try metered.rewrap(wrapped, context: context, use: use)
    }

    func describe(use: KeyUse) throws(KeyError) -> KeyDescription? {
        try metered.describe(use: use)
    }

    func note(_ use: KeyUse) throws(KeyError) { try metered.note(use) }
}

/// The code of the error that `body` throws, nil if it throws none.
func code(_ body: () throws -> Void) -> KeyError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? KeyError)?.code
    }
}
