import Foundation
import HostPrograms
import Synchronization
import Testing

@Suite struct ProgramTests {
    @Test func itSaysHowItEnded() throws {
        let outcome = try Program.run("sh", ["-c", "echo out; echo err >&2; exit 7"])
        #expect(outcome.status == 7 && outcome.text == "out\nerr\n")
        #expect(try Program.run("sh", ["-c", "kill -9 $$"]).status == 128 + SIGKILL)
        #expect(throws: Program.Failure.self) { try Program.succeed("false") }
        #expect(throws: POSIXError.self) { try Program("/no/such/program") }
    }

    @Test func itReadsAndEndsAsItIsTold() throws {
        let (input, output) = (Pipe(), Pipe())
        let cat = try Program("cat", input: .pipe(input), output: .pipe(output))
        try input.fileHandleForWriting.write(contentsOf: Data("text".utf8))
        #expect(output.fileHandleForReading.availableData == Data("text".utf8))
        #expect(cat.isRunning)
        try input.fileHandleForWriting.close()
        #expect(cat.terminationStatus == 0 && !cat.isRunning)

        let sleep = try Program("sleep", ["1000"])
        sleep.terminate()
        #expect(sleep.terminationStatus == 128 + SIGTERM)
        // It is nobody's any more.
        sleep.signal(SIGKILL)
    }

    @Test func itHasItsEnvironmentAlone() throws {
        let output = Pipe()
        let env = try Program("env", environment: ["A": "b c"], output: .pipe(output))
        #expect(output.fileHandleForReading.readDataToEndOfFile() == Data("A=b c\n".utf8))
        #expect(env.terminationStatus == 0)
        #expect(try Program.run("env", environment: ["A": "b c"]).text.contains("A=b c\n"))
    }

    /// It has what it was given, also while other threads open files and start programs.
    @Test func itInheritsNothingElse() throws {
        let end = Date() + 2
        let servers = Mutex<[Program]>([])
        let group = DispatchGroup()
        for thread in 0..<3 {
            DispatchQueue.global().async(group: group) {
                while Date() < end {
                    guard thread == 0 else {
                        _ = try? Program.run("true")
                        continue
                    }
                    guard let server = try? Program("sleep", ["1000"]) else { continue }
                    servers.withLock { $0.append(server) }
                }
            }
        }
        group.wait()
        let started = servers.withLock { $0 }
        defer { for server in started { server.signal(SIGKILL) } }
        #expect(started.count > 10)
        for server in started {
            // Until it is what was started: before that it is a copy of this process.
            let folder = "/proc/\(server.processIdentifier)"
            while try String(contentsOfFile: folder + "/comm", encoding: .utf8) != "sleep\n" {}
            let files = try FileManager.default.contentsOfDirectory(atPath: folder + "/fd")
            #expect(Set(files) == ["0", "1", "2"])
        }
    }
}
