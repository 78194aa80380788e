/// What a store on other machines tells of itself: to be shown, and to be paid for.
public struct BackendReport: Sendable, Hashable, Codable {
    /// `host`: a flush is durable on this host, and in the store within `lagLimitSeconds`; `store`:
    /// it is in the store.
    public var durability: String
    /// The longest that something waits for its upload while the store answers.
    public var lagLimitSeconds: Double
    /// Bytes that wait for their upload, and how long the first of them has waited.
    public var waitingBytes: UInt64
    public var lagSeconds: Double
    /// Bytes of this host that copies of chunks take, and may take.
    public var cachedBytes: UInt64
    public var cacheLimitBytes: UInt64
    /// Why the last upload failed; nil after one that did not.
    public var failure: String?
    /// Requests so far, each attempt for itself, and bytes of bodies that went each way.
    public var requests: BackendRequests

    public init(
        durability: String, lagLimitSeconds: Double, waitingBytes: UInt64, lagSeconds: Double,
        cachedBytes: UInt64, cacheLimitBytes: UInt64, failure: String?, requests: BackendRequests
    ) {
        self.durability = durability
        self.lagLimitSeconds = lagLimitSeconds
        self.waitingBytes = waitingBytes
        self.lagSeconds = lagSeconds
        self.cachedBytes = cachedBytes
        self.cacheLimitBytes = cacheLimitBytes
        self.failure = failure
        self.requests = requests
    }
}

/// How often a server was asked for what.
public struct BackendRequests: Sendable, Hashable, Codable {
    public var puts: UInt64 = 0
    public var gets: UInt64 = 0
    public var lists: UInt64 = 0
    public var deletes: UInt64 = 0
    /// Attempts that came to nothing: no answer, or a refusal for load or time.
    public var failures: UInt64 = 0
    public var bytesSent: UInt64 = 0
    public var bytesReceived: UInt64 = 0

    public init() {}
}

/// A store that has such a report.
public protocol ReportingStore: Sendable {
    func report() -> BackendReport
}
