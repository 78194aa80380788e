import Foundation
import Testing

extension MountSuite {
    /// What a mount in the background tells the journal, which is a socket of the test's own.
    @Suite struct LogMountTests {
        private final class Journal {
            private let descriptor: Int32

            init(at path: String) throws {
                descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
                var address = sockaddr_un()
                address.sun_family = sa_family_t(AF_UNIX)
                withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
                let size = socklen_t(MemoryLayout<sockaddr_un>.size)
                let bound = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(descriptor, $0, size)
                    }
                }
                try #require(bound == 0, "\(String(cString: strerror(errno)))")
                var patience = timeval(tv_sec: 20, tv_usec: 0)
                setsockopt(
                    descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience,
                    socklen_t(MemoryLayout<timeval>.size))
            }

            deinit { close(descriptor) }

            /// The next line's fields.
            func next() throws -> [String: String] {
                var bytes = [UInt8](repeating: 0, count: 1 << 16)
                let count = recv(descriptor, &bytes, bytes.count, 0)
                try #require(count > 0, "nothing was told")
                let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
                return Dictionary(
                    uniqueKeysWithValues: lines.map { line in
                        let parts = line.split(separator: "=", maxSplits: 1)
                        return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
                    })
            }
        }

        @Test func aDamagedChunkIsToldWithDiskOffsetChunkAndCause() throws {
            let rig = try Rig()
            let socket = rig.folder + "/journal"
            let journal = try Journal(at: socket)
            rig.moreEnvironment = ["SEALDISK_JOURNAL": socket]
            try rig.mount()
            let serving = try journal.next()
            #expect(serving["MESSAGE"] == "serving \(rig.store) at \(rig.mountPoint)")
            #expect(serving["PRIORITY"] == "6")
            try rig.attachDisk("data", mebibytes: 16)
            let attached = try journal.next()
            let disk = try #require(attached["SEALDISK_DISK"])
            #expect(attached["MESSAGE"] == "disk \(disk) was attached")

            let bytes = (0..<2 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            try file.write(Array(bytes[..<(1 << 20)]), at: 0)
            try file.write(Array(bytes[(1 << 20)...]), at: 1 << 20)
            try file.synchronize()
            let chunk = try #require(
                try Command.succeed("find", rig.store, "-name", "*.chunk", "-size", "+600k")
                    .split(separator: "\n").map(String.init).min())
            let medium = try OpenedFile(chunk, O_RDWR)
            let byte = try medium.read(at: 512 << 10, count: 1)[0]
            try medium.write([byte ^ 1], at: 512 << 10)
            let read = try Command.run(
                "dd",
                ["if=" + rig.file("data"), "of=/dev/null", "bs=1M", "count=2", "iflag=direct"])
            #expect(read.status != 0 && read.errors.contains("Input/output error"), "\(read)")
            let failure = try journal.next()
            let offset = try #require(Int(failure["SEALDISK_OFFSET"] ?? ""))
            #expect(failure["PRIORITY"] == "3")
            #expect(failure["SEALDISK_DISK"] == disk && failure["SEALDISK_CODE"] == "damaged")
            #expect(failure["SEALDISK_OPERATION"] == "read" && offset < 2 << 20)
            #expect(rig.store + "/" + (failure["SEALDISK_CHUNK"] ?? "") == chunk, "\(failure)")
            #expect(failure["SEALDISK_CAUSE"]?.contains("is not what was sealed") == true)
            #expect(failure["MESSAGE"]?.hasPrefix("read of disk \(disk) at byte \(offset)") == true)
            #expect(failure["SYSLOG_IDENTIFIER"] == "sealdisk")
            let metrics = try Metrics(
                String(contentsOfFile: rig.mountPoint + "/metrics", encoding: .utf8))
            let labels = ["disk": disk, "operation": "read"]
            #expect(metrics.value("sealdisk_disk_request_errors_total", labels) ?? 0 >= 1)
            #expect(metrics.value("sealdisk_damaged_resources", [:]) == 1)
        }

        @Test func onlyWhatIsOfTheLevelIsTold() throws {
            let rig = try Rig()
            let log = rig.folder + "/log"
            try rig.mount("log_file=\(log)", "log_level=warning")
            try rig.attachDisk("data", mebibytes: 16)
            try rig.unmount()
            #expect(try String(contentsOfFile: log, encoding: .utf8) == "")
            try rig.mount("log_file=\(log)")
            try rig.unmount()
            let text = try String(contentsOfFile: log, encoding: .utf8)
            #expect(text.contains("Z info sealdisk: serving \(rig.store) at"), "\(text)")
        }
    }
}
