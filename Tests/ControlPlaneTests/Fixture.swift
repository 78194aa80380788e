import ChunkStore
import CryptoPrimitives
import DiskEngine
import DiskFormat
import KeyManagement
import Testing

@testable import ControlPlane

/// A control plane over a fresh store in memory, with a KMS and a mount of the test's own.
struct Fixture {
    let files: MemoryStore
    let faults: FaultyStore
    let keys: TestKeys
    let mount = TestMount()
    let clock: ManualClock
    let store: Store
    let plane: ControlPlane

    /// `time` is where the clock stands still, in seconds since 1970; nil: now.
    init(
        activated: Bool = true, mounted: Bool = true, time: Int64? = nil,
        observer: (@Sendable (StoreOperation, String) -> Void)? = nil
    ) throws {
        let files = MemoryStore()
        _ = try Store.create(in: files, account: "account", region: "region")
        try self.init(
            over: files, keys: TestKeys(isActivated: activated), mounted: mounted, time: time,
            observer: observer)
    }

    /// Over a store that is there.
    init(
        over files: MemoryStore, keys: TestKeys, mounted: Bool = true, time: Int64? = nil,
        observer: (@Sendable (StoreOperation, String) -> Void)? = nil
    ) throws {
        self.files = files
        self.keys = keys
        faults = FaultyStore(files, observer: observer)
        clock = ManualClock(time.map { Timestamp(seconds: $0) } ?? SystemClock().now())
        store = try Store(
            opening: faults, keys: keys, holder: "a test", environment: Environment(clock: clock))
        plane = ControlPlane(
            store: store, keys: keys, hooks: mounted ? mount : nil, location: "/a/store")
    }

    /// The same store opened anew, as by the next mount; this one is closed.
    func reopened() throws -> Fixture {
        try store.close()
        return try Fixture(over: files, keys: keys, time: clock.now().seconds)
    }

    /// Performs a request that must succeed, and gives its fields.
    @discardableResult
    func done(_ request: String, _ location: SourceLocation = #_sourceLocation) throws -> JSONObject
    {
        let reply = plane.perform(request)
        #expect(reply.isSuccess, "\(reply.json)", sourceLocation: location)
        #expect(reply.refusal == nil, sourceLocation: location)
        return reply.fields
    }

    /// Performs a request that must be refused, and gives the refusal after checking what all
    /// refusals have.
    @discardableResult
    func refused(
        _ request: String, _ code: String, _ location: SourceLocation = #_sourceLocation
    ) throws -> Refusal {
        let reply = plane.perform(request)
        let refusal = try #require(reply.refusal, "\(reply.json)", sourceLocation: location)
        #expect(refusal.code == code, "\(reply.json)", sourceLocation: location)
        #expect(reply.errno == refusal.kind.errno && reply.errno != 0, sourceLocation: location)
        #expect(!refusal.message.isEmpty && !refusal.recommend.isEmpty, sourceLocation: location)
        for text in [refusal.message, refusal.recommend] {
            #expect(Self.bareRequests(in: text) == [], sourceLocation: location)
        }
        return refusal
    }

    /// Words of the API that do not stand in backticks, by which the command line finds them to say
    /// them in its own.
    static func bareRequests(in text: String) -> [String] {
        let parts = text.split(separator: "`", omittingEmptySubsequences: false)
        let outside = parts.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element)
        guard !parts.count.isMultiple(of: 2) else { return [text] }
        let words = outside.flatMap { $0.split { !$0.isLetter && $0 != "=" } }.map(String.init)
        // That a request was not understood is told only to who wrote one.
        let ofRequests = ["Did you mean", "The actions are", "It takes"]
        guard !ofRequests.contains(where: text.hasPrefix), !text.contains(" has no parameter ")
        else { return [] }
        let actions = Action.all.map(\.name)
        return words.filter { word in
            actions.contains(word)
                || Action.all.contains { action in
                    action.parameters.contains { word.hasPrefix($0 + "=") }
                }
        }
    }

    /// Creates a disk and gives its id.
    func disk(_ name: String, encrypted: Bool = false, size: String = "1MiB") throws -> String {
        let fields = try done("CreateDisk DiskName=\(name) Size=\(size) Encrypted=\(encrypted)")
        return try #require(fields["DiskId"]?.string)
    }

    /// The one disk that DescribeDisks finds.
    func describe(_ disk: String) throws -> JSON {
        let disks = try #require(
            try done("DescribeDisks DiskId=\(disk)")["Disks"]?["Disk"]?.array)
        return try #require(disks.first)
    }

    func diskNames(_ filters: String) throws -> [String] {
        let disks = try done("DescribeDisks \(filters)")["Disks"]?["Disk"]?.array
        return try #require(disks).compactMap { $0["Name"]?.string }
    }

    func snapshotNames(_ filters: String) throws -> [String] {
        let all = try done("DescribeSnapshots \(filters)")["Snapshots"]?["Snapshot"]?.array
        return try #require(all).compactMap { $0["Name"]?.string }
    }
}
