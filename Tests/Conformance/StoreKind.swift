import ChunkStore
import Glibc
import LocalStore
import RADOSStore
import S3Store
import Scheduling
import ServerFixtures
import Testing

@testable import DiskEngine

#if canImport(S3Client)
    import S3Client
#endif

/// Every store that there is, and every decorator: what the contract says holds for each of them.
enum StoreKind: CaseIterable, CustomTestStringConvertible {
    case memory, memoryOfWholeChunks, local, rados, s3, s3DurableInBucket
    #if canImport(S3Client)
        case seaweedFS, radosgw
    #endif
    case faulty, relieved, metered, paced, retrying, retryingWhatIsBusy, allOverLocal

    var testDescription: String { "\(self)" }

    /// Hands out an empty store, and tidies up after `body` however it ends.
    func withStore(_ body: (any ChunkStore) throws -> Void) throws {
        switch self {
        case .memory: try body(MemoryStore())
        case .memoryOfWholeChunks: try body(MemoryStore(chunkKind: .whole))
        case .local: try Self.withLocalStore(body)
        case .s3: try Self.withS3Store(.host, body)
        case .s3DurableInBucket: try Self.withS3Store(.store, body)
        #if canImport(S3Client)
            case .seaweedFS: try Self.withServer(SeaweedFS.shared.get(), body)
            case .radosgw: try Self.withServer(Gateway.shared.get(), body)
        #endif
        case .rados: try body(try SharedRADOSStore(CephCluster.shared.get().place()))
        case .faulty: try body(FaultyStore(MemoryStore()))
        case .relieved: try body(Self.relieved(MemoryStore()))
        case .metered: try body(Self.metered(MemoryStore()))
        case .paced: try body(Self.paced(MemoryStore()))
        case .retrying: try body(Self.retrying(MemoryStore()))
        case .retryingWhatIsBusy: try body(Self.retrying(Self.busy(MemoryStore())))
        case .allOverLocal:
            try Self.withLocalStore { local in
                let store = Self.metered(Self.retrying(Self.paced(Self.busy(local))))
                try body(Self.relieved(store))
            }
        }
    }

    /// Whether a folder is something of its own: a bucket has names alone.
    var hasFolders: Bool {
        switch self {
        case .s3, .s3DurableInBucket: return false
        #if canImport(S3Client)
            case .seaweedFS, .radosgw: return false
        #endif
        default: return true
        }
    }

    /// SeaweedFS lists a folder whose last object was deleted until its own cleaner has been there.
    var showsEmptyFolders: Bool {
        #if canImport(S3Client)
            self == .seaweedFS
        #else
            false
        #endif
    }

    #if canImport(S3Client)
        /// A prefix that nobody has used, on a real server.
        static func newPrefix(_ server: any S3Server) throws -> S3Client {
            let place = try S3Place(
                "s3://\(server.bucket)/c-\(UInt64.random(in: 0...UInt64.max))",
                endpoint: server.endpoint)
            let client = S3Client(
                place, credentials: try S3Credentials(environment: server.environment),
                time: HostTime())
            try client.proveConditions()
            return client
        }

        private static func withServer(
            _ server: any S3Server, _ body: (any ChunkStore) throws -> Void
        ) throws {
            try withS3Store(.host, over: newPrefix(server), body)
        }
    #endif

    private static func withS3Store(
        _ durability: S3StoreOptions.Durability, over objects: any ObjectStorage = MemoryObjects(),
        _ body: (any ChunkStore) throws -> Void
    ) throws {
        let store = try s3Store(over: objects) {
            $0.durability = durability
            $0.lag = .milliseconds(200)
        }
        defer { try? store.close() }
        try body(store)
    }

    /// A host's, with a cache of its own.
    static func s3Store(
        over objects: any ObjectStorage, _ change: (inout S3StoreOptions) -> Void
    ) throws -> S3Store {
        var options = S3StoreOptions()
        change(&options)
        return try S3Store(
            objects, cache: MemoryStore(), options: options, threads: SystemThreads(),
            time: HostTime(), wallSeconds: { UInt64(time(nil)) },
            random: { count in (0..<count).map { _ in UInt8.random(in: 0...255) } })
    }

    private static func withLocalStore(_ body: (any ChunkStore) throws -> Void) throws {
        let folder = try TemporaryFolder()
        try body(try LocalStore.create(at: folder.path + "/store"))
    }

    private static func relieved(_ base: any ChunkStore) -> any ChunkStore {
        RelievedStore(base, budget: ChunkBudget(limit: 8, threads: SystemThreads()))
    }

    private static func metered(_ base: any ChunkStore) -> any ChunkStore {
        MeteredStore(base, time: TestTime(step: .microseconds(1)))
    }

    private static func paced(_ base: any ChunkStore) -> any ChunkStore {
        let pace = Pace(perSecond: 1000, burst: 10)
        return PacedStore(base, bytes: pace, calls: pace, time: TestTime())
    }

    private static func retrying(_ base: any ChunkStore) -> any ChunkStore {
        // More than all that `busy` refuses: where many threads call, one may be hit by most of it.
        let policy = RetryPolicy(
            attempts: 300, firstWait: .seconds(1), longestWait: .seconds(5),
            patience: .seconds(9000))
        return RetryingStore(base, policy: policy, time: TestTime()) { 1 << 63 }
    }

    /// Refuses each third of the first calls for the moment.
    private static func busy(_ base: any ChunkStore) -> any ChunkStore {
        let store = FaultyStore(base)
        for call in stride(from: 1, through: 600, by: 3) {
            store.arm(Fault(Set(StoreOperation.allCases), call: call, code: .busy))
        }
        return store
    }
}

func name(_ path: String, _ location: SourceLocation = #_sourceLocation) throws -> ObjectName {
    try #require(ObjectName(path), sourceLocation: location)
}

extension ChunkFile {
    /// What a read of `count` bytes gives.
    func bytes(_ count: Int, at offset: UInt64 = 0) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        let found = try bytes.withUnsafeMutableBytes { try read(into: $0, at: offset) }
        return Array(bytes[..<found])
    }

    func write(_ bytes: [UInt8], at offset: UInt64) throws {
        try bytes.withUnsafeBytes { try write($0, at: offset) }
    }
}

/// Expects a `StoreError` of one code whose text names what it was about.
func expect(
    _ code: StoreError.Code, about text: String = "", _ location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("no error, expected \(code)", sourceLocation: location)
    } catch let error as StoreError {
        #expect(error.code == code, sourceLocation: location)
        #expect(text.isEmpty || "\(error)".contains(text), sourceLocation: location)
    } catch {
        Issue.record(error, sourceLocation: location)
    }
}
