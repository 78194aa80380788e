import ChunkStore
import ControlPlane
import DiskEngine
import DiskFormat
import Glibc
import KeyManagement
import Logging
import Namespace
import Synchronization
import Testing

/// A tree over a store in memory, with a control plane behind it and a kernel that only takes note.
final class Fixture {
    static let owner = Caller(user: 1000, thread: 0)
    static let root = Caller(user: 0, thread: 0)
    static let stranger = Caller(user: 1001, thread: 0)

    let tree: Namespace
    let plane: ControlPlane
    let files = MemoryStore(capacity: 1 << 30)
    let store: Store
    let kernel = RecordingKernel()
    let log = Log()
    let mappings = RecordingMappings()

    init(isReadOnly: Bool = false, requiresEncryption: Bool = false) throws {
        _ = try Store.create(in: files, account: "account", region: "region")
        let keys = InMemoryKMS()
        var limits = Limits.standard
        limits.slotsPerChunk = 64
        limits.reserveBytes = 1 << 20
        store = try Store(
            opening: files, keys: keys, holder: "a test", environment: Environment(),
            limits: limits)
        let facts = MountFacts(
            store: "/store", mountPoint: "/nowhere", version: "0", pid: 1, owner: 1000, group: 100,
            isReadOnly: isReadOnly, requiresEncryption: requiresEncryption,
            hardening: ["nonDumpable": "ok"])
        let (log, mappings) = (log, mappings)
        tree = Namespace(store: store, facts: facts, mappings: mappings, log: log.logger)
        plane = ControlPlane(store: store, keys: keys, hooks: tree)
        tree.attachKernel(kernel)
        let plane = plane
        try tree.openControl { request in
            let reply = plane.perform(request, readOnly: isReadOnly)
            return ControlAnswer(json: reply.json, errno: reply.errno)
        }
    }

    deinit {
        tree.closeControl()
        // The store is in memory and ends here in any case.
        try? store.close()
    }

    /// Performs a request that must succeed.
    func perform(_ request: String) throws {
        let reply = plane.perform(request)
        try #require(reply.isSuccess, "\(request): \(reply.json)")
    }

    /// Makes a disk of 1 GiB and attaches it.
    func attachDisk(_ name: String, encrypted: Bool = true) throws {
        try perform("CreateDisk DiskName=\(name) Size=1 Encrypted=\(encrypted)")
        try perform("AttachDisk DiskId=\(name)")
    }

    /// What a path from the root leads to.
    func find(_ path: String) throws(FileError) -> Attributes {
        var found = try tree.attributes(of: 1)
        for name in path.split(separator: "/") {
            found = try tree.lookup(String(name), in: found.inode)
        }
        return found
    }

    func open(
        _ path: String, reads: Bool = true, writes: Bool = false, truncates: Bool = false,
        as caller: Caller = owner
    ) throws(FileError) -> OpenFile {
        try tree.open(
            try find(path).inode,
            OpenMode(reads: reads, writes: writes, truncates: truncates), caller: caller
        ).file
    }

    func names(in path: String) throws -> [String] {
        try tree.list(try find(path).inode).map(\.name).filter { $0 != "." && $0 != ".." }
    }

    /// The whole text of a small file.
    func text(_ path: String) throws -> String {
        let file = try open(path)
        return String(decoding: try file.bytes(at: 0, count: 1 << 16), as: UTF8.self)
    }
}

extension OpenFile {
    func bytes(at offset: UInt64, count: Int) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xee, count: count)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 4096)
        defer { buffer.deallocate() }
        let got = try read(into: buffer, at: offset)
        bytes.withUnsafeMutableBytes { $0.copyMemory(from: .init(rebasing: buffer[..<got])) }
        return Array(bytes[..<got])
    }

    @discardableResult
    func put(_ bytes: [UInt8], at offset: UInt64) throws(FileError) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: bytes.count, alignment: 4096)
        defer { buffer.deallocate() }
        buffer.copyBytes(from: bytes)
        let write = try submit(UnsafeRawBufferPointer(buffer), at: offset)
        guard let whenDone = write.whenDone else { return write.count }
        let answer = Answer()
        whenDone { answer.give($0) }
        return try answer.wait().get()
    }
}

/// The outcome of a write that is answered later.
private final class Answer: Sendable {
    private let result = Mutex<Result<Int, FileError>?>(nil)

    func give(_ outcome: Result<Int, FileError>) { result.withLock { $0 = outcome } }

    func wait() -> Result<Int, FileError> {
        while true {
            if let outcome = result.withLock({ $0 }) { return outcome }
            usleep(100)
        }
    }
}

/// Notes what the kernel would have been told to drop.
final class RecordingKernel: KernelCache {
    enum Drop: Hashable, Sendable {
        case pages(UInt64)
        case attributes(UInt64)
        case payloads
    }

    private let all = Mutex<[Drop]>([])

    func dropPages(of inode: UInt64) { add(.pages(inode)) }
    func dropAttributes(of inode: UInt64) { add(.attributes(inode)) }
    func wipePayloads() { add(.payloads) }

    /// What was dropped since the last call.
    func take() -> Set<Drop> {
        all.withLock { all in
            defer { all = [] }
            return Set(all)
        }
    }

    private func add(_ drop: Drop) { all.withLock { $0.append(drop) } }
}

/// Notes what was to be written out, and answers as it is told.
final class RecordingMappings: MappingWriter {
    private let state = Mutex<(paths: [String], errno: Int32)>(([], 0))

    var paths: [String] { state.withLock { $0.paths } }

    func answer(_ errno: Int32) { state.withLock { $0.errno = errno } }

    func writeOut(_ path: String, patience: Double) -> Int32 {
        state.withLock { state in
            state.paths.append(path)
            return state.errno
        }
    }
}

/// Keeps what the operator would be told, but for what is merely news.
final class Log: Sendable {
    struct Line: Sendable {
        let level: Logger.Level
        let text: String
        let metadata: [String: String]
    }

    private let told = Mutex<[Line]>([])
    var lines: [Line] { told.withLock { $0 } }
    var all: [String] { lines.map(\.text) }

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: Log
        var logLevel = Logger.Level.notice
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let line = Line(
                level: event.level, text: "\(event.message)",
                metadata: (event.metadata ?? [:]).mapValues { "\($0)" })
            log.told.withLock { $0.append(line) }
        }
    }
}

/// Runs `body`, which must be refused with this errno.
func expectErrno(
    _ errno: Int32, _ comment: Comment? = nil, at location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record(
            comment ?? "nothing was refused; expected \(String(cString: strerror(errno)))",
            sourceLocation: location)
    } catch let error as FileError {
        #expect(error.errno == errno, comment, sourceLocation: location)
    } catch {
        Issue.record("unforeseen: \(error)", sourceLocation: location)
    }
}
