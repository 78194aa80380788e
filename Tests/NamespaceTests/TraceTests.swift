import DiskFormat
import Glibc
import Testing

@testable import Namespace

/// `trace/NAME`.
@Suite struct TraceTests {
    /// What is told of a request besides when and how long.
    private func told(_ text: String) -> [String] {
        text.split(separator: "\n").map { line in
            String(line).replacing(#/"Time":"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z",/#, with: "")
                .replacing(#/"Nanoseconds":[1-9]\d*,/#, with: "")
        }
    }

    private func rest(of trace: OpenFile) throws -> String {
        String(decoding: try trace.bytes(at: 0, count: 1 << 16), as: UTF8.self)
    }

    private func line(_ operation: String, _ offset: Int, _ length: Int, _ errno: Int32 = 0)
        -> String
    {
        "{\"Operation\":\"\(operation)\",\"Offset\":\(offset),\"Length\":\(length)"
            + ",\"Errno\":\(errno)}"
    }

    /// Each request is one line, in order, of the traced disk alone, from the opening on.
    @Test func exactRecordsForExactRequests() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        try fixture.attachDisk("other")
        let file = try fixture.open("disks/data", writes: true)
        try file.put([1], at: 0)
        let trace = try fixture.open("trace/data")
        #expect(try rest(of: trace) == "")
        try file.put([UInt8](repeating: 1, count: 5000), at: 8192)
        _ = try file.bytes(at: 4096, count: 4096)
        try fixture.open("disks/other", writes: true).put([1], at: 0)
        try file.synchronize()
        try file.allocate(.punch, at: 0, length: 12_288)
        try file.allocate(.zero(keepsSize: true), at: 4096, length: 4096)
        // Cut at the disk's end, as it is done.
        _ = try file.bytes(at: (1 << 30) - 4096, count: 8192)
        #expect(
            told(try rest(of: trace)) == [
                line("write", 8192, 5000), line("read", 4096, 4096), line("flush", 0, 0),
                line("discard", 0, 12_288), line("write_zeroes", 4096, 4096),
                line("read", (1 << 30) - 4096, 4096),
            ])
        #expect(try rest(of: trace) == "")
    }

    @Test func twoTracesTellTheSameAndAClosedOneCostsNothing() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let tracer = fixture.tree.counters.of(try #require(fixture.store.disks().first).id).tracer
        #expect(!tracer.isOn)
        do {
            let file = try fixture.open("disks/data")
            let traces = [try fixture.open("trace/data"), try fixture.open("trace/data")]
            #expect(tracer.isOn)
            _ = try file.bytes(at: 0, count: 4096)
            for trace in traces {
                #expect(told(try rest(of: trace)) == [line("read", 0, 4096)])
            }
        }
        #expect(!tracer.isOn)
        let many = try (0..<DiskTracer.limit).map { _ in try fixture.open("trace/data") }
        expectErrno(EBUSY) { _ = try fixture.open("trace/data") }
        withExtendedLifetime(many) {}
    }

    @Test func failuresAreToldWithTheirErrno() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let file = try fixture.open("disks/data", writes: true)
        let trace = try fixture.open("trace/data")
        try fixture.store.detach(try #require(fixture.store.disks().first).id)
        expectErrno(EIO) { _ = try file.bytes(at: 0, count: 4096) }
        expectErrno(EIO) { try file.put([1], at: 4096) }
        #expect(
            told(try rest(of: trace)) == [
                line("read", 0, 4096, EIO), line("write", 4096, 1, EIO),
            ])
    }

    /// Who reads too slowly keeps nobody: he gets the latest, and how many he missed.
    @Test func aSlowReaderLosesTheOldestAndIsTold() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let file = try fixture.open("disks/data")
        let trace = try fixture.open("trace/data")
        for index in 0..<TraceRing.capacity + 3 {
            _ = try file.bytes(at: UInt64(index) * 4096, count: 4096)
        }
        var lines = told(try rest(of: trace))
        #expect(lines.prefix(2) == ["{\"Lost\":3}", line("read", 3 * 4096, 4096)])
        // Room is there again, and the ring goes round.
        _ = try file.bytes(at: 0, count: 8192)
        while case let more = told(try rest(of: trace)), !more.isEmpty { lines += more }
        #expect(lines.count == 1 + TraceRing.capacity + 1)
        #expect(lines.count { $0.hasPrefix("{\"Lost\"") } == 1)
        #expect(lines.last == line("read", 0, 8192))
    }

    /// A buffer that no line fits into gets it in parts.
    @Test func linesAreWholeWhereTheyFit() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let file = try fixture.open("disks/data")
        let trace = try fixture.open("trace/data")
        for _ in 0..<20 { _ = try file.bytes(at: 0, count: 4096) }
        let first = try trace.bytes(at: 0, count: 1000)
        #expect(first.last == UInt8(ascii: "\n") && first.count > 100)
        var text = first
        while case let more = try trace.bytes(at: 0, count: 7), !more.isEmpty { text += more }
        let all = String(decoding: text, as: UTF8.self)
        #expect(told(all) == Array(repeating: line("read", 0, 4096), count: 20))
    }

    @Test func detachingEndsATraceThatKeepsNobody() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let trace = try fixture.open("trace/data")
        _ = try fixture.open("disks/data").bytes(at: 0, count: 4096)
        try fixture.perform("DetachDisk DiskId=data")
        #expect(
            told(try rest(of: trace))
                == [line("read", 0, 4096), "{\"End\":\"the disk was detached\"}"])
        try fixture.perform("AttachDisk DiskId=data")
        _ = try fixture.open("disks/data").bytes(at: 0, count: 4096)
        #expect(try rest(of: trace) == "")
    }

    @Test func onlyWhoMayUseADiskMayTraceIt() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        try fixture.perform("CreateDisk DiskName=away Size=1")
        expectErrno(EACCES) { _ = try fixture.open("trace/data", as: Fixture.stranger) }
        expectErrno(EACCES) { _ = try fixture.open("trace/data", writes: true) }
        expectErrno(ENXIO) { _ = try fixture.open("trace/away") }
        expectErrno(ENOENT) { _ = try fixture.open("trace/nothing") }
        let access = OpenMode(reads: true, writes: false, truncates: false)
        let inode = try fixture.find("trace/data").inode
        expectErrno(EACCES) {
            try fixture.tree.checkAccess(inode, access, caller: Fixture.stranger)
        }
        _ = try fixture.open("trace/data", as: Fixture.root)
        #expect(try fixture.find("trace/data").mode == 0o400)
        // Whoever walks through the tree begins no traces.
        #expect(!(try fixture.names(in: "/").contains("trace")))
        #expect(try fixture.names(in: "trace") == ["data"])
    }

    /// In another process a trace ends, and what was not read counts as lost.
    @Test func aTakeoverEndsATrace() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let file = try fixture.open("disks/data")
        let trace = try fixture.open("trace/data")
        for _ in 0..<2 { _ = try file.bytes(at: 0, count: 4096) }
        let state = trace.state
        _ = try file.bytes(at: 0, count: 4096)
        let after = try fixture.tree.reopen(state)
        #expect(
            told(try rest(of: after)) == [
                "{\"Lost\":2}", "{\"End\":\"another process took the mount over\"}",
            ])
        #expect(try rest(of: after) == "")
    }

    /// Times are those of coming: no request comes before the one that was answered before it.
    @Test func timesFollowEachOther() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let file = try fixture.open("disks/data")
        let trace = try fixture.open("trace/data")
        for _ in 0..<100 { _ = try file.bytes(at: 0, count: 4096) }
        let times = try rest(of: trace).split(separator: "\n").map { $0.prefix(40) }
        #expect(times.count == 100 && times == times.sorted() && Set(times).count > 50)
    }

    @Test func noLineIsLongerThanTheLongest() {
        let record = TraceRecord(
            time: .max, offset: .max, length: .max, nanoseconds: .max, errno: .max,
            operation: .writeZeroes)
        #expect(record.line.utf8.count <= TraceRecord.longestLine)
        #expect(TraceRecord.stamp(1_600_000_000_000_000_005) == "2020-09-13T12:26:40.000000005Z")
    }
}
