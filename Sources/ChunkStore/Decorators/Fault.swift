/// The calls of `ChunkStore` and `ChunkFile`, by name.
public enum StoreOperation: String, Sendable, Hashable, CaseIterable {
    case createFile, recycleFile, openFile, remove, readObject, replaceObject, list
    case removeFolder, lockExclusively, capacity, reserve
    case read, write, synchronize, dropCache, deallocate, size
}

/// What a `FaultyStore` breaks: the `call`-th call, from the moment the fault is armed, of any of
/// `operations` on a name with the given prefix, once or from then on for good.
public struct Fault: Sendable {
    /// What has happened when the failure is reported.
    public enum Effect: Sendable {
        /// Nothing.
        case none
        /// `write`: the first half of the bytes. `recycleFile`: the old file is gone. All else:
        /// nothing.
        case half
        /// `write`, `synchronize`, `remove`, `replaceObject`, `deallocate`: all of it, and only the
        /// report is false; so do `createFile` and `recycleFile` with `.io` and `.unanswered`. All
        /// else: nothing, since the contract promises a clean failure.
        case whole
    }

    public var operations: Set<StoreOperation>
    public var prefix: String
    /// 1 is the first.
    public var call: Int
    public var isLasting: Bool
    public var effect: Effect
    public var code: StoreError.Code
    /// `read`: only reads that touch a byte of this range of the file; nil: all.
    public var bytes: Range<UInt64>?

    public init(
        _ operations: Set<StoreOperation>, prefix: String = "", call: Int = 1,
        isLasting: Bool = false, effect: Effect = .none, code: StoreError.Code = .io,
        bytes: Range<UInt64>? = nil
    ) {
        self.operations = operations
        self.prefix = prefix
        self.call = call
        self.isLasting = isLasting
        self.effect = effect
        self.code = code
        self.bytes = bytes
    }

    /// Whether a creation that fails so may have been done: where the medium failed or no answer
    /// came.
    var mayLeaveFile: Bool { code == .io || code == .unanswered }

    /// Counts a call down. Whether it is to fail, and whether the fault is used up with it.
    mutating func meets(
        _ operation: StoreOperation, _ name: String, at range: Range<UInt64>?
    ) -> (fails: Bool, isSpent: Bool) {
        guard operations.contains(operation), name.hasPrefix(prefix) else { return (false, false) }
        if let bytes, let range, !bytes.overlaps(range) { return (false, false) }
        call -= 1
        return (call <= 0, call <= 0 && !isLasting)
    }
}
