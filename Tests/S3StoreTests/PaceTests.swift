import ChunkStore
import Foundation
import Glibc
import Scheduling
import Testing

@testable import S3Store

extension Uploads {
    fileprivate var mayYield: Bool { mayYield(backlog()) }
}

/// Who goes first where there are too few processors.
@Suite("S3: writers before uploads")
struct PaceTests {
    /// Nice values of this process's threads of a name.
    private func niceValues(of name: String) throws -> [Int] {
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
        return threads.compactMap { thread in
            // A thread may end meanwhile.
            guard
                let text = try? String(
                    contentsOfFile: "/proc/self/task/\(thread)/stat",
                    encoding: .utf8), let end = text.lastIndex(of: ")"),
                let start = text.firstIndex(of: "("), text[text.index(after: start)..<end] == name
            else { return nil }
            // The 19th field; the third stands first behind the name.
            let fields = text[text.index(after: end)...].split(separator: " ")
            return fields.count > 16 ? Int(fields[16]) : nil
        }
    }

    /// Whether a thread may be put back in front of others: else none yields.
    private var mayReturn: Bool {
        geteuid() == 0
    }

    @Test func aThreadYieldsAndReturns() throws {
        guard mayReturn else { return }
        let monitor = Monitor()
        nonisolated(unsafe) var hasEnded = false  // guarded by `monitor`
        let thread = try SystemThreads().start(name: "pace of one") {
            monitor.withLock { while !hasEnded { monitor.wait() } }
        }
        try eventually("it runs") { try niceValues(of: "pace of one") == [0] }
        // It may not have told its number yet.
        try eventually("it yields") {
            thread.yieldProcessors(true)
            return try niceValues(of: "pace of one") == [10]
        }
        thread.yieldProcessors(false)
        #expect(try niceValues(of: "pace of one") == [0])
        monitor.withLock {
            hasEnded = true
            monitor.announce()
        }
        thread.join()
    }

    @Test func uploadsYieldAsLongAsNobodyWaitsForThem() throws {
        let time = HandTime()
        let host = try Host(MemoryObjects(), time: time) {
            $0.lag = .seconds(100)
            $0.waitingBytes = 2 * chunkLength
        }
        let uploads = host.store.uploads
        #expect(uploads.mayYield)
        let first = try host.store.createFile(try chunk(1), length: chunkLength)
        // All but the last page: it is not full.
        try first.fill(1, pages: 0..<63)
        #expect(uploads.mayYield, "it is fresh, and half of what may wait")
        uploads.beginWaiting()
        #expect(!uploads.mayYield, "somebody waits")
        uploads.endWaiting()
        #expect(uploads.mayYield)
        let second = try host.store.createFile(try chunk(2), length: chunkLength)
        try second.fill(2, pages: 0..<32)
        #expect(!uploads.mayYield, "more than half of what may wait")
        try host.store.close()
        #expect(uploads.mayYield, "nothing waits")
    }

    @Test func uploadsDoNotYieldToWhatIsLate() throws {
        let time = HandTime()
        let bucket = MemoryObjects { call throws(StoreError) in
            if case .put(let key, _) = call, key.text.hasPrefix("chunks/") {
                throw StoreError(.busy, operation: "put", cause: "not now")
            }
        }
        let host = try Host(bucket, time: time) { $0.lag = .seconds(100) }
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(1, pages: 0..<8)
        time.advance(by: .seconds(74))
        #expect(host.store.uploads.mayYield)
        time.advance(by: .seconds(2))
        #expect(!host.store.uploads.mayYield)
    }
}
