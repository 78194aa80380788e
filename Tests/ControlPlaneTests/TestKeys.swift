import ControlPlane
import CryptoPrimitives
import KeyManagement
import Synchronization

/// A KMS in memory whose keys can be made unavailable.
final class TestKeys: KeyService {
    private let service: InMemoryKMS
    private let failure = Mutex<KeyError?>(nil)
    private let seen = Mutex<Seen>(Seen())

    private struct Seen {
        var calls: [String] = []
        var dataKeys: Set<[UInt8]> = []
        var wrappedKeys: Set<WrappedKey> = []
    }

    init(isActivated: Bool) { service = InMemoryKMS(activated: isActivated) }

    /// From now on every use of a key fails so; nil ends that.
    func fail(with error: KeyError?) { failure.withLock { $0 = error } }

    func rotate() throws { try service.rotate() }

    /// The metered calls since the last time this was asked: `Decrypt AttachDisk`.
    func takeCalls() -> [String] {
        seen.withLock { seen in
            defer { seen.calls = [] }
            return seen.calls
        }
    }

    /// Every data key that was handed out, in the clear, and as they are wrapped.
    var dataKeys: Set<[UInt8]> { seen.withLock { $0.dataKeys } }
    var wrappedKeys: Set<WrappedKey> { seen.withLock { $0.wrappedKeys } }

    /// The id of the CMK, which is there after the first encrypted disk.
    func keyID() throws -> String? {
        try service.describe(use: KeyUse(action: "test", resource: "-"))?.keyID
    }

    func generateDataKey(
        context: KeyContext, use: KeyUse
    ) throws(KeyError) -> GeneratedDataKey {
        record("GenerateDataKey", use)
        try check()
        let generated = try service.generateDataKey(context: context, use: use)
        let wrapped = generated.wrapped
        _ = seen.withLock { $0.wrappedKeys.insert(wrapped) }
        return GeneratedDataKey(key: remember(generated.takeKey()), wrapped: wrapped)
    }

    func unwrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> SecretBytes {
        record("Decrypt", use)
        try check()
        return remember(try service.unwrap(wrapped, context: context, use: use))
    }

    func rewrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> WrappedKey {
        record("ReEncrypt", use)
        try check()
        return try service.rewrap(wrapped, context: context, use: use)
    }

    func describe(use: KeyUse) throws(KeyError) -> KeyDescription? {
        record("DescribeKey", use)
        try check()
        return try service.describe(use: use)
    }

    func note(_ use: KeyUse) throws(KeyError) {
        record("Note", use)
        try check()
        try service.note(use)
    }

    var isActivated: Bool { get throws(KeyError) { try service.isActivated } }

    func activate() throws(KeyError) -> Bool { service.activate() }

    func usage() throws(KeyError) -> [String: UInt64] { service.usage() }

    private func record(_ operation: String, _ use: KeyUse) {
        seen.withLock { $0.calls.append("\(operation) \(use.action)") }
    }

    private func remember(_ key: consuming SecretBytes) -> SecretBytes {
        let bytes = key.withUnsafeBytes { Array($0) }
        _ = seen.withLock { $0.dataKeys.insert(bytes) }
        return key
    }

    private func check() throws(KeyError) {
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
