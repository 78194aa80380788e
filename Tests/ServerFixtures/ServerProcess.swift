import Foundation
import HostPrograms
import Synchronization

/// A server on this host, in a folder of its own. It ends with its owner, or with this process,
/// whichever is first: it is held by a pipe whose other end only this process has.
public final class ServerProcess: Sendable {
    public let folder: String
    private let name: String
    private let leash: Mutex<Pipe?>
    private let answers = Pipe()
    private let guardian: Program

    /// Starts the server, and starts and stops it as it is told, until nobody can tell it anything.
    private static let script = """
        start() { "$@" </dev/null >>"$HOME/log" 2>&1 & echo started; }
        start "$0" "$@"
        while read -r order; do
            case "$order" in
            kill)
                kill -9 $!
                wait $! 2>/dev/null
                sleep 0.1
                echo killed
                ;;
            start) start "$0" "$@" ;;
            esac
        done
        kill -9 $! 2>/dev/null; sleep 0.2; rm -rf "$HOME"
        """

    /// `prepare` is given the folder, and says what to start.
    public init(
        _ name: String, binary: String,
        _ prepare: (_ folder: String) throws -> [String]
    ) throws {
        guard access(binary, X_OK) == 0 else {
            throw FixtureError("there is no \(binary); Tests/run installs it")
        }
        self.name = name
        let folder = NSTemporaryDirectory() + "/sealdisk-\(name)-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700])
        self.folder = folder
        let arguments = try prepare(folder)
        let leash = Pipe()
        guardian = try Program(
            "sh", ["-c", Self.script, binary] + arguments,
            environment: ["HOME": folder, "PATH": "/usr/bin:/bin", "TMPDIR": folder],
            input: .pipe(leash), output: .pipe(answers))
        self.leash = Mutex(leash)
        try expect("started")
    }

    private func expect(_ expected: String) throws {
        var line = ""
        while !line.hasSuffix("\n") {
            let part = answers.fileHandleForReading.availableData
            if part.isEmpty { break }
            line += String(decoding: part, as: UTF8.self)
        }
        guard line == expected + "\n" else { throw FixtureError("no \(name): \(line)") }
    }

    private func order(_ text: String, _ answer: String) throws {
        try leash.withLock { leash in
            guard let leash else { throw FixtureError("\(name) has ended") }
            try leash.fileHandleForWriting.write(contentsOf: Data((text + "\n").utf8))
            try expect(answer)
        }
    }

    /// Kills it as a power cut of a process: what the kernel has of its files stays.
    public func kill() throws { try order("kill", "killed") }

    /// Starts it once more, with what it had.
    public func start() throws { try order("start", "started") }

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
        let text = try ask(["-o", "/dev/null", "-w", "%{http_code}"] + arguments)
        return Int(text) ?? 0
    }

    /// What curl prints.
    func ask(_ arguments: [String], service: String = "s3") throws -> String {
        let (input, output) = (Pipe(), Pipe())
        let curl = try Program(
            "curl",
            ["-s", "-m", "10", "--aws-sigv4", "aws:amz:us-east-1:\(service)", "--config", "-"]
                + arguments,
            input: .pipe(input), output: .pipe(output))
        try input.fileHandleForWriting.write(
            contentsOf: Data("user = \"\(accessKey):\(secretKey)\"\n".utf8))
        try input.fileHandleForWriting.close()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        curl.waitUntilExit()
        return String(decoding: text, as: UTF8.self)
    }
}
