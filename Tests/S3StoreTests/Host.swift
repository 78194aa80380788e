import ChunkStore
import Glibc
import LocalStore
import Scheduling
import Testing

@testable import S3Store

/// A host that uses a bucket: a cache of its own, and a store as a process of it has it open.
final class Host {
    let bucket: any ObjectStorage
    private(set) var cache: MemoryStore
    private(set) var store: S3Store
    let options: S3StoreOptions
    private let clock: any StoreTime

    init(
        _ bucket: any ObjectStorage, cache: MemoryStore = MemoryStore(),
        time: any StoreTime = HostTime(), _ change: (inout S3StoreOptions) -> Void = { _ in }
    ) throws {
        var options = S3StoreOptions()
        options.lag = .seconds(3600)
        options.lease = LeaseTerm(length: .milliseconds(600))
        options.patience = .seconds(5)
        change(&options)
        self.bucket = bucket
        self.cache = cache
        self.options = options
        clock = time
        store = try Self.open(bucket, cache, options, clock)
    }

    deinit { store.uploads.abandon() }

    /// The process is gone, with nothing uploaded; another begins with the cache as it left it.
    func restart() throws {
        store.uploads.abandon()
        cache = cache.copy()
        store = try Self.open(bucket, cache, options, clock)
    }

    static func open(
        _ bucket: any ObjectStorage, _ cache: any ChunkStore, _ options: S3StoreOptions,
        _ clock: any StoreTime = HostTime()
    ) throws -> S3Store {
        try S3Store(
            bucket, cache: cache, options: options, threads: SystemThreads(), time: clock,
            wallSeconds: { UInt64(Glibc.time(nil)) },
            random: { count in (0..<count).map { _ in UInt8.random(in: 0...255) } })
    }
}

let chunkLength: UInt64 = 64 * 4096

func name(_ path: String, _ location: SourceLocation = #_sourceLocation) throws -> ObjectName {
    try #require(ObjectName(path), sourceLocation: location)
}

/// A chunk of a lane: those of one lane are of one group.
func chunk(_ number: Int, lane: Int = 1) throws -> ObjectName {
    try name("lineages/a/chunks/000\(lane)/000000/0000000\(number).chunk")
}

extension ChunkFile {
    func fill(_ value: UInt8, pages: Range<Int>) throws {
        let bytes = [UInt8](repeating: value, count: pages.count * 4096)
        try bytes.withUnsafeBytes { try write($0, at: UInt64(pages.lowerBound * 4096)) }
    }

    /// The first byte of each page.
    func values(_ pages: Range<Int>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: pages.count * 4096)
        let count = try bytes.withUnsafeMutableBytes {
            try read(into: $0, at: UInt64(pages.lowerBound * 4096))
        }
        #expect(count == bytes.count)
        return stride(from: 0, to: bytes.count, by: 4096).map { bytes[$0] }
    }
}

func expect(
    _ code: StoreError.Code, about text: String = "", _ location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("no error, expected \(code)", sourceLocation: location)
    } catch let error as StoreError {
        #expect(error.code == code, "\(error)", sourceLocation: location)
        #expect(text.isEmpty || "\(error)".contains(text), "\(error)", sourceLocation: location)
    } catch {
        Issue.record(error, sourceLocation: location)
    }
}

func eventually(
    _ what: String, within seconds: Int = 20, _ location: SourceLocation = #_sourceLocation,
    _ isSo: () throws -> Bool
) throws {
    for _ in 0..<seconds * 100 {
        if try isSo() { return }
        usleep(10_000)
    }
    Issue.record("not within \(seconds) s: \(what)", sourceLocation: location)
}
