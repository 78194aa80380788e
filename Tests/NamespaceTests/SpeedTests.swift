import Glibc
import Synchronization
import Testing

@testable import ControlPlane
@testable import Namespace

/// Disks that are held to a speed.
@Suite struct SpeedTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func switchedOffItHoldsNothingBack() {
        let limit = SpeedLimit()
        #expect((0..<1000).allSatisfy { _ in limit.deadline(bytes: 1 << 20) { 7 } == nil })
        limit.set(DiskSpeed(operations: 1, megabytes: 1))
        #expect(limit.deadline(bytes: 1 << 20) { Self.second } != nil)
        limit.set(nil)
        #expect(limit.deadline(bytes: 1 << 20) { Self.second } == nil)
    }

    /// Whichever of the two is reached first.
    @Test(arguments: [(4096, 300), (1 << 20, 38)])
    func theSpeedIsTheCategorys(bytes: Int, perSecond: Int) throws {
        let category = try #require(DiskCategory.named("cloud"))
        let limit = SpeedLimit()
        limit.set(category.speed(100))
        let begin = 10 * Self.second
        // One client after the other's answer, for ten seconds.
        var (now, count) = (begin, 0)
        while now < begin + 10 * Self.second {
            now = limit.deadline(bytes: bytes) { now } ?? now
            count += 1
        }
        #expect((perSecond * 10...perSecond * 10 + perSecond / 2 + 2).contains(count), "\(count)")
    }

    @Test func aRestIsWorthAMomentsWorkNoMore() {
        let limit = SpeedLimit()
        limit.set(DiskSpeed(operations: 1000, megabytes: 1000))
        var free = 0
        while limit.deadline(bytes: 1, now: { 100 * Self.second }) == nil { free += 1 }
        #expect(free == 50)
        free = 0
        while limit.deadline(bytes: 1, now: { 200 * Self.second }) == nil { free += 1 }
        #expect(free == 50)
    }

    @Test func speedsGrowWithTheDisk() throws {
        let ssd = try #require(DiskCategory.named("cloud_ssd"))
        #expect(ssd.speed(20) == DiskSpeed(operations: 2400, megabytes: 130))
        #expect(ssd.speed(32_768) == DiskSpeed(operations: 25_000, megabytes: 300))
    }

    /// Answers of a disk that is held back come late, and those of another do not wait for them.
    @Test func aLimitedDiskKeepsNobodyElse() throws {
        let fixture = try Fixture()
        try fixture.perform(
            "CreateDisk DiskName=slow Size=5 DiskCategory=cloud LimitSpeed=true")
        try fixture.perform("AttachDisk DiskId=slow")
        try fixture.attachDisk("fast")
        let bytes = [UInt8](repeating: 1, count: 1 << 20)
        let slow = try fixture.open("disks/slow")
        let answered = Atomic<Int>(0)
        let begin = monotonicNanoseconds()
        for index in 0..<8 {
            let write = try bytes.withUnsafeBytes { buffer throws(FileError) in
                try slow.submit(buffer, at: UInt64(index) << 20)
            }
            guard let whenDone = write.whenDone else {
                answered.add(1, ordering: .relaxed)
                continue
            }
            whenDone { _ in answered.add(1, ordering: .relaxed) }
        }
        // 8 MiB at 40 MB a second, but for the first moment: 160 ms.
        #expect(answered.load(ordering: .relaxed) < 8)
        let fast = try fixture.open("disks/fast")
        let write = try bytes.withUnsafeBytes { buffer throws(FileError) in
            try fast.submit(buffer, at: 0)
        }
        #expect(write.whenDone == nil)
        while answered.load(ordering: .relaxed) < 8 { usleep(1000) }
        #expect(monotonicNanoseconds() - begin > 120_000_000)
        #expect(slow.delay(ofRead: 1 << 20) != nil && fast.delay(ofRead: 1 << 20) == nil)
        try fixture.perform("ModifyDiskAttribute DiskId=slow LimitSpeed=false")
        #expect(slow.delay(ofRead: 1 << 20) == nil)
    }

    @Test func theEndOfTheMountGivesWhatIsHeldBack() {
        let delays = DelayedAnswers()
        let answered = Atomic<Int>(0)
        for hours: UInt64 in 1...3 {
            delays.at(monotonicNanoseconds() + hours * 3600 * Self.second) {
                answered.add(1, ordering: .relaxed)
            }
        }
        delays.close()
        #expect(answered.load(ordering: .relaxed) == 3)
        delays.at(.max) { answered.add(1, ordering: .relaxed) }
        #expect(answered.load(ordering: .relaxed) == 4)
    }
}
