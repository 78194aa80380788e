import ChunkStore
import Foundation
import RADOSStore
import Synchronization
import Testing

/// A real cluster, made at the first use. It ends with this process, however that ends: the script
/// reads from a pipe whose other end is here.
final class CephCluster: Sendable {
    /// One for all tests that do not harm it for long.
    static let shared = Result { try CephCluster() }

    let configuration: String
    private let orders: Pipe
    private let answers: Pipe
    /// Held from an order to its answer.
    private let turn = Mutex(0)

    private init() throws {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        let folder = "\(base)/ceph-\(UUID())"
        configuration = folder + "/ceph.conf"
        (orders, answers) = (Pipe(), Pipe())
        let process = Process()
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../ceph-cluster").standardized
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = [script.path, folder]
        process.standardInput = orders
        process.standardOutput = answers
        try process.run()
        let answer = line()
        try #require(answer == "ready", "the cluster does not start; see Tests/ceph-cluster")
        // So that its folder is gone when this process is; the script itself waits for the pipe.
        atexit {
            guard case .success(let cluster) = CephCluster.shared else { return }
            try? cluster.orders.fileHandleForWriting.close()
            while !cluster.answers.fileHandleForReading.availableData.isEmpty {}
        }
    }

    /// Has the script do something: `kill osd`, `start osd`, `ceph osd pool …`.
    func order(_ text: String) throws {
        let answer = try turn.withLock { _ in
            try orders.fileHandleForWriting.write(contentsOf: Data((text + "\n").utf8))
            return line()
        }
        try #require(answer == "done", "\(text): \(answer)")
    }

    private func line() -> String {
        var line = ""
        while !line.hasSuffix("\n") {
            let part = answers.fileHandleForReading.availableData
            if part.isEmpty { return line }
            line += String(decoding: part, as: UTF8.self)
        }
        return String(line.dropLast())
    }

    /// A place that nobody has used.
    func place(user: String = "store", pool: String = "test") -> RADOSPlace {
        RADOSPlace(
            pool: pool, prefix: "p-\(UUID())", user: user, configuration: configuration,
            timeout: 30)
    }

    /// An empty store of its own.
    func store() throws -> RADOSStore { try RADOSStore(place()) }
}
