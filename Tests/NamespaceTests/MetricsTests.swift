import Glibc
import Testing

@testable import Namespace

@Suite struct MetricsTests {
    /// n requests of m bytes are n requests of m bytes, of each kind.
    @Test func requestsAndBytesAreCountedExactly() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let disk = try #require(try fixture.store.disks().first).id
        let file = try fixture.open("disks/data", writes: true)
        for index in 0..<7 {
            try file.put([UInt8](repeating: 1, count: 5000), at: UInt64(index) * 8192)
        }
        for _ in 0..<3 { _ = try file.bytes(at: 0, count: 4096) }
        try file.synchronize()
        try file.synchronize()
        try file.allocate(.punch, at: 0, length: 12_288)
        try file.allocate(.zero(keepsSize: true), at: 4096, length: 4096)
        let counters = fixture.tree.counters.of(disk)
        let expected: [(RequestCounters, UInt64, UInt64)] = [
            (counters.write, 7, 35_000), (counters.read, 3, 12_288), (counters.flush, 2, 0),
            (counters.discard, 1, 12_288), (counters.writeZeroes, 1, 4096),
        ]
        for (one, count, bytes) in expected {
            let counts = one.counts
            #expect(counts.ended == count && counts.begun == count && counts.inFlight == 0)
            #expect(counts.bytes == bytes && counts.failures == 0 && counts.nanoseconds > 0)
        }
        let label = "{store=\"\(fixture.store.identity.storeID)\",disk=\"\(disk)\""
        let text = fixture.tree.metrics()
        for line in [
            "sealdisk_disk_requests_total\(label),operation=\"write\"} 7\n",
            "sealdisk_disk_request_bytes_total\(label),operation=\"write\"} 35000\n",
            "sealdisk_disk_request_seconds_bucket\(label),operation=\"write\",le=\"+Inf\"} 7\n",
            "sealdisk_disk_request_seconds_count\(label),operation=\"read\"} 3\n",
        ] {
            #expect(text.contains(line), "\(line) in \(text)")
        }
    }

    @Test func failuresCountAsRequestsWithoutBytes() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let disk = try #require(try fixture.store.disks().first).id
        let file = try fixture.open("disks/data", writes: true)
        try fixture.store.detach(disk)
        expectErrno(EIO) { _ = try file.bytes(at: 0, count: 4096) }
        expectErrno(EIO) { try file.put([1], at: 0) }
        for counts in [fixture.tree.counters.of(disk).read, fixture.tree.counters.of(disk).write] {
            let counts = counts.counts
            #expect(counts.ended == 1 && counts.failures == 1 && counts.bytes == 0)
        }
    }

    @Test func snapshotsAreCountedTogether() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        try fixture.open("disks/data", writes: true).put([UInt8](repeating: 1, count: 8192), at: 0)
        try fixture.perform("CreateSnapshot DiskId=data SnapshotName=one")
        _ = try fixture.open("snapshots/one").bytes(at: 0, count: 8192)
        _ = try fixture.open("snapshots/one.sealed").bytes(at: 0, count: 100)
        let counters = fixture.tree.counters
        #expect(counters.snapshotReads.counts.ended == 1)
        #expect(counters.snapshotReads.counts.bytes == 8192)
        #expect(counters.sealedReads.counts.bytes == 100)
    }

    @Test func aDeletedDiskIsForgotten() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        _ = try fixture.open("disks/data").bytes(at: 0, count: 4096)
        #expect(fixture.tree.counters.all.count == 1)
        try fixture.perform("DetachDisk DiskId=data")
        #expect(fixture.tree.counters.all.count == 1)
        try fixture.perform("DeleteDisk DiskId=data")
        #expect(fixture.tree.counters.all.isEmpty)
    }

    @Test func timesFallIntoClassesEachTwiceAsLong() {
        let first = RequestCounters.firstBound
        #expect(RequestCounters.index(ofClassFor: 0) == 0)
        for index in 0..<RequestCounters.boundCount {
            let bound = first << UInt64(index)
            #expect(RequestCounters.index(ofClassFor: bound) == index)
            #expect(RequestCounters.index(ofClassFor: bound + 1) == index + 1)
        }
        #expect(RequestCounters.index(ofClassFor: .max) == RequestCounters.boundCount)
    }

    @Test func namesCannotBreakTheFormat() {
        var text = MetricsText(common: [("store", "s")])
        text.begin("m", .gauge, "two\nlines \\ \"quoted\"")
        text.sample("m", [("name", "a\"b\\c\nd")], 1.5)
        #expect(
            text.text == """
                # HELP m two\\nlines \\\\ "quoted"
                # TYPE m gauge
                m{store="s",name="a\\"b\\\\c\\nd"} 1.5

                """)
    }
}
