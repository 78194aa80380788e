import Foundation
import Synchronization

/// A server on this host, in a folder of its own. It ends with its owner, or with this process,
/// whichever is first: it is held by a pipe whose other end only this process has.
public final class ServerProcess: Sendable {
    public let folder: String
    public let pid: pid_t
    private let leash: Mutex<Pipe?>
    private let guardian: Process

    /// `prepare` is given the folder, and says what to start.
    public init(
        _ name: String, binary: String,
        _ prepare: (_ folder: String) throws -> [String]
    ) throws {
        guard access(binary, X_OK) == 0 else {
            throw FixtureError("there is no \(binary); Tests/run installs it")
        }
        let folder = NSTemporaryDirectory() + "/sealdisk-\(name)-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700])
        self.folder = folder
        let arguments = try prepare(folder)
        let leash = Pipe()
        guardian = Process()
        guardian.executableURL = URL(fileURLWithPath: "/bin/sh")
        guardian.arguments =
            [
                "-c",
                "\"$0\" \"$@\" </dev/null >\"$HOME/log\" 2>&1 & echo $!; exec >/dev/null;"
                    + " read _; kill -9 $!; sleep 0.2; rm -rf \"$HOME\"", binary,
            ] + arguments
        guardian.environment = ["HOME": folder, "PATH": "/usr/bin:/bin", "TMPDIR": folder]
        guardian.standardInput = leash
        let output = Pipe()
        guardian.standardOutput = output
        try guardian.run()
        self.leash = Mutex(leash)
        var line = ""
        while !line.hasSuffix("\n") {
            let part = output.fileHandleForReading.availableData
            if part.isEmpty { break }
            line += String(decoding: part, as: UTF8.self)
        }
        guard let pid = pid_t(line.dropLast()) else { throw FixtureError("no \(name): \(line)") }
        self.pid = pid
    }

    deinit { end() }

    /// Kills it. Its folder goes with it.
    public func end() {
        guard let leash = leash.withLock({ $0.take() }) else { return }
        try? leash.fileHandleForWriting.close()
        guardian.waitUntilExit()
    }

    /// Calls `isReady` until it is true, for at most so many seconds.
    public func wait(_ seconds: Double = 30, _ isReady: () -> Bool) throws {
        let end = Date() + seconds
        while !isReady() {
            guard Date() < end else {
                let log = (try? String(contentsOfFile: folder + "/log", encoding: .utf8)) ?? ""
                throw FixtureError("the server in \(folder) does not start: \(log.suffix(2000))")
            }
            usleep(50_000)
        }
    }
}

/// An S3 server with a bucket of that name.
public protocol S3Server: Sendable {
    var endpoint: String { get }
    var port: UInt16 { get }
}

extension S3Server {
    public var bucket: String { "disks" }
    public var accessKey: String { "AKIDOFTESTS" }
    public var secretKey: String { "secret/of+tests" }
    public var endpoint: String { "http://127.0.0.1:\(port)" }

    /// What credentials are read from.
    public var environment: [String: String] {
        ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey]
    }

    /// Asks by curl, which signs by itself; the status.
    public func curl(_ arguments: String...) throws -> Int {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
        process.arguments =
            [
                "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "--aws-sigv4",
                "aws:amz:us-east-1:s3", "--config", "-",
            ] + arguments
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try input.fileHandleForWriting.write(
            contentsOf: Data("user = \"\(accessKey):\(secretKey)\"\n".utf8))
        try input.fileHandleForWriting.close()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Int(String(decoding: text, as: UTF8.self)) ?? 0
    }
}
