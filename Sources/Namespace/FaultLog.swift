import DiskEngine
import Synchronization

/// Tells the operator of failures on the data path: once per disk and kind, for a failing medium
/// fails every request.
final class FaultLog: Sendable {
    private struct Kind: Hashable {
        let resource: String
        let code: DiskError.Code
    }

    private let told = Mutex<Set<Kind>>([])
    private let write: @Sendable (String) -> Void

    init(_ write: @escaping @Sendable (String) -> Void) { self.write = write }

    /// `operation`, `resource` and `offset` (bytes) say what failed where; the error says in which
    /// chunk and why.
    func report(_ error: DiskError, _ operation: String, of resource: String, at offset: UInt64) {
        let kind = Kind(resource: resource, code: error.code)
        guard told.withLock({ $0.insert(kind).inserted }) else { return }
        write(
            "sealdisk: \(operation) of \(resource) at byte \(offset) failed: \(error.message) "
                + "(further failures of this kind are not reported)")
    }

    func note(_ text: String) { write("sealdisk: \(text)") }
}
