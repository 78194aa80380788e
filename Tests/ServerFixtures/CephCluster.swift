import Foundation
import HostPrograms
import Synchronization

/// A real cluster, made at the first use. It ends with this process, however that ends: the script
/// reads from a pipe whose other end is here.
public final class CephCluster: Sendable {
    /// One for all tests.
    public static let shared = Result { try CephCluster() }

    public let configuration: String
    private let orders: Pipe
    private let answers: Pipe
    /// Held from an order to its answer.
    private let turn = Mutex(0)
    /// Held by who harms it for a while: calls of others wait, but no other harm comes on top.
    private let harm = Mutex(0)

    private init() throws {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        let folder = "\(base)/ceph-\(UUID())"
        configuration = folder + "/ceph.conf"
        (orders, answers) = (Pipe(), Pipe())
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../ceph-cluster").standardized
        _ = try Program(
            "bash", [script.path, folder], input: .pipe(orders), output: .pipe(answers))
        guard line() == "ready" else {
            throw FixtureError("the cluster does not start; see Tests/ceph-cluster")
        }
        // So that its folder is gone when this process is; the script itself waits for the pipe.
        atexit {
            guard case .success(let cluster) = CephCluster.shared else { return }
            try? cluster.orders.fileHandleForWriting.close()
            while !cluster.answers.fileHandleForReading.availableData.isEmpty {}
        }
    }

    /// Has the script do something: `kill osd`, `start osd`, `ceph osd pool …`.
    public func order(_ text: String) throws {
        let answer = try turn.withLock { _ in
            try orders.fileHandleForWriting.write(contentsOf: Data((text + "\n").utf8))
            return line()
        }
        guard answer == "done" else { throw FixtureError("\(text): \(answer)") }
    }

    /// The host of the objects is killed, `meanwhile` done, and it is started again.
    public func killOSD(_ meanwhile: () throws -> Void) throws {
        try killing("osd", meanwhile)
    }

    /// The same with what tells the monitors how full each pool is.
    public func killManager(_ meanwhile: () throws -> Void) throws {
        try killing("mgr", meanwhile)
    }

    private func killing(_ daemon: String, _ meanwhile: () throws -> Void) throws {
        try harm.withLock { _ in
            try order("kill \(daemon)")
            let result = Result(catching: meanwhile)
            try order("start \(daemon)")
            try result.get()
        }
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
}
