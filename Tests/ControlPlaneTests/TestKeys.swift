import ControlPlane
import CryptoPrimitives
import KeyManagement
import Synchronization

/// A KMS in memory whose keys can be made unavailable.
final class TestKeys: KeyService {
    private let service: InMemoryKMS
    private let failure = Mutex<KeyError?>(nil)

    init(isActivated: Bool) { service = InMemoryKMS(activated: isActivated) }

    /// From now on every use of a key fails so; nil ends that.
    func fail(with error: KeyError?) { failure.withLock { $0 = error } }

    func rotate() throws { try service.rotate() }

    /// The id of the CMK, which is there after the first encrypted disk.
    func keyID() throws -> String? {
        try service.describe(use: KeyUse(action: "test", resource: "-"))?.keyID
    }

    func generateDataKey(
        context: KeyContext, use: KeyUse
    ) throws(KeyError) -> GeneratedDataKey {
        try check()
        return try service.generateDataKey(context: context, use: use)
    }

    func unwrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> SecretBytes {
        try check()
        return try service.unwrap(wrapped, context: context, use: use)
    }

    func rewrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> WrappedKey {
        try check()
        return try service.rewrap(wrapped, context: context, use: use)
    }

    func describe(use: KeyUse) throws(KeyError) -> KeyDescription? {
        try service.describe(use: use)
    }

    func note(_ use: KeyUse) throws(KeyError) {
        try check()
        try service.note(use)
    }

    var isActivated: Bool { get throws(KeyError) { try service.isActivated } }

    func activate() throws(KeyError) -> Bool { service.activate() }

    func usage() throws(KeyError) -> [String: UInt64] { service.usage() }

    private func check() throws(KeyError) {
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
