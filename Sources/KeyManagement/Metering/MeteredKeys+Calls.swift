import Synchronization

/// A kind of call of the KMS.
public struct KeyCall: Sendable, Hashable {
    /// As in the key-use log: `GenerateDataKey`, `Decrypt` …
    public let operation: String
    /// `ok`, or the error's code (`locked`, `unavailable` …).
    public let outcome: String
}

extension MeteredKeys {
    /// Calls since this process began, by operation and what became of them.
    public func callCounts() -> [KeyCall: UInt64] { calls.withLock { $0 } }

    func count(_ operation: KeyUseLog.Operation, _ outcome: String) {
        let call = KeyCall(operation: operation.rawValue, outcome: outcome)
        calls.withLock { $0[call, default: 0] += 1 }
    }
}
