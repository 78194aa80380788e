import DiskFormat
import Synchronization

/// A door to a place outside the store that remembers what the store has been, so that one that was
/// put back to an earlier state is refused. It keeps some bytes and knows nothing of them.
///
/// One process at a time uses it: the one that has the store.
public protocol FreshnessAnchor: Sendable {
    /// Where it is, for whoever has to look at it: a path, for instance.
    var place: String { get }

    /// The bytes of the last `record`, or nil if there never was one. Throws if they cannot be had.
    func load() throws(DiskError) -> [UInt8]?

    /// Replaces the bytes: after a crash they are wholly the old or wholly the new ones, and once
    /// this returns, the new ones.
    func record(_ bytes: [UInt8]) throws(DiskError)
}

/// An anchor, and how closely it follows its store.
public struct Anchoring: Sendable {
    /// Bytes that the engine gives an anchor at most.
    public static let byteLimit = FreshnessRecord.byteLimit

    public let anchor: any FreshnessAnchor
    /// Whether no flush is answered before the anchor knows of it.
    public let isStrict: Bool

    public init(_ anchor: any FreshnessAnchor, isStrict: Bool = false) {
        self.anchor = anchor
        self.isStrict = isStrict
    }
}

/// An anchor in memory, the reference for tests.
public final class InMemoryAnchor: FreshnessAnchor {
    private struct State {
        var bytes: [UInt8]?
        var failure: DiskError?
        var records = 0
    }

    private let state: Mutex<State>

    public init(_ bytes: [UInt8]? = nil) { state = Mutex(State(bytes: bytes)) }

    public var place: String { "(in memory)" }
    /// What it holds at this moment.
    public var bytes: [UInt8]? { state.withLock { $0.bytes } }
    /// How often it was changed.
    public var records: Int { state.withLock { $0.records } }

    /// From now on every change fails so; nil ends that.
    public func fail(with failure: DiskError?) { state.withLock { $0.failure = failure } }

    public func load() throws(DiskError) -> [UInt8]? { bytes }

    public func record(_ bytes: [UInt8]) throws(DiskError) {
        try state.withLock { (state) throws(DiskError) in
            if let failure = state.failure { throw failure }
            state.bytes = bytes
            state.records += 1
        }
    }
}
