import Foundation
import Logging
import Testing

@testable import sealdisk

/// The journal's native protocol, against a socket of the test's own.
@Suite struct JournalTests {
    private final class Receiver {
        let path: String
        private let descriptor: Int32

        init(in folder: String) throws {
            path = folder + "/journal"
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let size = socklen_t(MemoryLayout<sockaddr_un>.size)
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
            }
            try #require(bound == 0)
        }

        deinit { close(descriptor) }

        func receive() -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            return Array(bytes[..<max(0, count)])
        }
    }

    @Test func aLineIsADatagramOfFields() throws {
        let folder = try TemporaryFolder()
        let receiver = try Receiver(in: folder.path)
        let journal = try #require(Journal(path: receiver.path))
        let line = LogLine(
            level: .error, text: "read of disk d failed",
            fields: [.init(name: "disk", value: "d"), .init(name: "offset", value: "4096")])
        #expect(journal.send(line))
        #expect(
            String(decoding: receiver.receive(), as: UTF8.self) == """
                MESSAGE=read of disk d failed
                PRIORITY=3
                SYSLOG_IDENTIFIER=sealdisk
                SYSLOG_PID=\(getpid())
                SEALDISK_DISK=d
                SEALDISK_OFFSET=4096

                """)
    }

    @Test func aValueOfSeveralLinesBearsItsLength() {
        let bytes = Journal.datagram(LogLine(level: .info, text: "one\ntwo"))
        let start = Array("MESSAGE\n".utf8) + [7, 0, 0, 0, 0, 0, 0, 0] + Array("one\ntwo\n".utf8)
        #expect(bytes.starts(with: start))
        #expect(String(decoding: bytes, as: UTF8.self).contains("\nPRIORITY=6\n"))
    }

    @Test func aLongValueIsCutSoThatTheLineArrives() throws {
        let folder = try TemporaryFolder()
        let receiver = try Receiver(in: folder.path)
        let journal = try #require(Journal(path: receiver.path))
        #expect(journal.send(LogLine(text: String(repeating: "x", count: 1 << 20))))
        #expect((16_384..<20_000).contains(receiver.receive().count))
    }

    @Test func withoutASocketThereIsNoJournalAndOneThatWentIsNotice() throws {
        let folder = try TemporaryFolder()
        #expect(Journal(path: folder.path + "/none") == nil)
        let receiver = try Receiver(in: folder.path)
        let journal = try #require(Journal(path: receiver.path))
        unlink(receiver.path)
        #expect(!journal.send(LogLine(text: "lost")))
    }

    @Test func levelsAreThoseOfSyslog() {
        let priorities = Logger.Level.allCases.map(\.priority)
        #expect(priorities == [7, 7, 6, 5, 4, 3, 2])
    }

    @Test func theFileHasTimeLevelAndFields() {
        let line = LogLine(
            time: 1_795_593_600, level: .error, text: "read failed",
            fields: [.init(name: "disk", value: "d"), .init(name: "cause", value: "it \"broke\"")])
        #expect(
            Report.fileText(line)
                == "2026-11-25T08:00:00Z error sealdisk: read failed disk=d"
                + " cause=\"it \\\"broke\\\"\"\n")
    }

    @Test func levelsAreNamedInMountOptions() throws {
        #expect(try MountFlags([]).logLevel == .info)
        #expect(try MountFlags(["log_level=error"]).logLevel == .error)
        #expect(throws: Failure.self) { try MountFlags(["log_level=loud"]) }
    }
}
