import Foundation
import Testing

extension MountSuite {
    /// A daemon that crashes must be gone at once, and tell nothing of what it held.
    @Suite struct CrashTests {
        @Test(arguments: [SIGSEGV, SIGABRT, SIGILL, SIGQUIT])
        func aCrashEndsTheMountAtOnceAndShowsNoMemory(signal: Int32) throws {
            let rig = try Rig()
            let started = try Command.start(
                Rig.program, ["mount", rig.store, rig.mountPoint, "--foreground"],
                environment: rig.environment.merging([
                    "SWIFT_BACKTRACE": "enable=yes,interactive=no,color=no,timeout=30s"
                ]) { $1 })
            let pid = started.process.processIdentifier
            defer { if started.process.isRunning { kill(pid, SIGKILL) } }
            while !FileManager.default.fileExists(atPath: rig.mountPoint + "/status.json") {
                try #require(started.process.isRunning)
                usleep(10_000)
            }
            kill(pid, signal)
            let errors = started.errors.fileHandleForReading.readDataToEndOfFile()
            started.process.waitUntilExit()
            #expect(started.process.terminationStatus == 128 + signal)
            let text = String(decoding: errors, as: UTF8.self)
            #expect(!text.contains("Crash") && !text.contains("Registers"), "\(text)")
        }
    }
}
