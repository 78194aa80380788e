import Foundation
import Testing

extension MountSuite {
    /// `sealdisk trace` over a real mount.
    @Suite struct TraceMountTests {
        /// Starts a trace, and waits until it is heard.
        private func start(_ rig: Rig, _ options: String...) throws -> Command.Started {
            let trace = try Command.start(
                Rig.program, ["trace", "data"] + options, environment: rig.environment)
            // Its handle is there when its file is open.
            let files = "/proc/\(trace.process.processIdentifier)/fd"
            let deadline = Date(timeIntervalSinceNow: 20)
            while Date.now < deadline {
                let names = (try? FileManager.default.contentsOfDirectory(atPath: files)) ?? []
                let isOpen = names.contains { name in
                    let path = try? FileManager.default.destinationOfSymbolicLink(
                        atPath: "\(files)/\(name)")
                    return path?.hasPrefix(rig.mountPoint + "/trace/") ?? false
                }
                if isOpen { return trace }
                usleep(10_000)
            }
            trace.process.terminate()
            throw Command.Failure(description: "the trace was not opened")
        }

        private func end(_ trace: Command.Started) -> (output: String, errors: String) {
            let output = trace.output.fileHandleForReading.readDataToEndOfFile()
            let errors = trace.errors.fileHandleForReading.readDataToEndOfFile()
            trace.process.waitUntilExit()
            return (
                String(decoding: output, as: UTF8.self), String(decoding: errors, as: UTF8.self)
            )
        }

        @Test func requestsOfADiskAreShownUntilEnough() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let trace = try start(rig, "--json", "--only", "write,discard", "--count", "4")
            try Command.succeed(
                "dd", "if=/dev/zero", "of=" + rig.file("data"), "bs=16k", "count=3", "seek=2",
                "oflag=direct", "conv=notrunc,fsync", "status=none")
            try OpenedFile(rig.file("data"), O_RDWR).allocate(.punch, 0, 65_536)
            let (output, errors) = end(trace)
            #expect(trace.process.terminationStatus == 0)
            #expect(errors == "4 requests of disk data shown, none was lost.\n")
            let requests = try output.split(separator: "\n").map { line in
                try #require(
                    JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            }
            #expect(requests.map { $0["Offset"] as? Int } == [32_768, 49_152, 65_536, 0])
            #expect(requests.map { $0["Length"] as? Int } == [16_384, 16_384, 16_384, 65_536])
            #expect(requests.map { $0["Operation"] as? String }.last == "discard")
            #expect(requests.allSatisfy { $0["Errno"] as? Int == 0 })
            #expect(requests.allSatisfy { ($0["Nanoseconds"] as? Int ?? 0) > 0 })
            let page = try String(
                contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                    .appendingPathComponent(
                        "../../Sources/sealdisk/Documentation.docc/Observability.md"),
                encoding: .utf8)
            for field in try #require(requests.first).keys {
                #expect(page.contains("| `\(field)` |"), "\(field)")
            }
            try rig.unmount()
        }

        @Test func aTraceEndsWithTheDiskAndOnCtrlC() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let first = try start(rig)
            let second = try start(rig, "--slower-than", "1000s")
            _ = try OpenedFile(rig.file("data"), O_RDONLY).read(at: 0, count: 4096)
            second.process.interrupt()
            #expect(end(second).errors == "0 requests of disk data shown, none was lost.\n")
            #expect(second.process.terminationStatus == 0)
            // It counts as no user of the disk.
            try rig.succeed("disk", "detach", "data")
            let (output, errors) = end(first)
            #expect(output.hasPrefix("TIME "))
            #expect(output.contains("  read  ") && output.hasSuffix("  ok\n"), "\(output)")
            #expect(errors.hasPrefix("The trace has ended: the disk was detached."), "\(errors)")
            let away = try rig.sealdisk("trace", "data")
            #expect(away.status == 5 && away.errors.contains("disk attach data"), "\(away)")
            #expect(try rig.sealdisk("trace", "nothing").status == 3)
            try rig.unmount()
        }

        @Test func aTraceEndsWhenAnotherProcessTakesTheMountOver() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let trace = try start(rig)
            try rig.succeed("mount", "--takeover", rig.store, rig.mountPoint)
            rig.watch(try rig.daemon())
            let errors = end(trace).errors
            #expect(errors.contains("another process took the mount over"), "\(errors)")
            try rig.unmount()
        }

        @Test func nobodyElseMayTrace() throws {
            let rig = try Rig()
            try rig.mount("allow_other")
            try rig.attachDisk("data", mebibytes: 16)
            let outcome = try Command.run(
                "setpriv",
                [
                    "--reuid", "65534", "--regid", "65534", "--clear-groups", "cat",
                    rig.mountPoint + "/trace/data",
                ])
            #expect(outcome.status == 1 && outcome.output == "", "\(outcome)")
            #expect(outcome.errors.contains("Permission denied"), "\(outcome)")
            try rig.unmount()
        }
    }
}
