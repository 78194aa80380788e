import Glibc
import Namespace
import Testing

@Suite struct DiskFileTests {
    private static let gibibyte: UInt64 = 1 << 30

    @Test func whatIsWrittenIsRead() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let file = try fixture.open("disks/data", writes: true)
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(try file.put(bytes, at: 777) == bytes.count)
        try file.synchronize()
        #expect(try file.bytes(at: 777, count: bytes.count) == bytes)
        #expect(try file.bytes(at: 0, count: 777).allSatisfy { $0 == 0 })
        #expect(try fixture.find("disks/data").storedBytes == 3 * 4096)
    }

    @Test func theEndIsLikeABlockDevices() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let file = try fixture.open("disks/data", writes: true)
        let end = Self.gibibyte
        #expect(try file.put([UInt8](repeating: 1, count: 100), at: end - 10) == 10)
        #expect(try file.bytes(at: end - 10, count: 100) == [UInt8](repeating: 1, count: 10))
        #expect(try file.bytes(at: end, count: 100) == [])
        #expect(try file.bytes(at: end + 5, count: 100) == [])
        expectErrno(ENOSPC) { try file.put([1], at: end) }
        expectErrno(ENOSPC) { try file.put([1], at: .max - 1) }
    }

    @Test func holesAreFoundMadeAndRead() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let file = try fixture.open("disks/data", writes: true)
        try file.put([UInt8](repeating: 5, count: 16 << 10), at: 1 << 20)
        #expect(try file.seek(.data, from: 0) == 1 << 20)
        #expect(try file.seek(.hole, from: 1 << 20) == 1 << 20 + 16 << 10)
        #expect(try file.seek(.hole, from: 0) == 0)
        expectErrno(ENXIO) { _ = try file.seek(.data, from: 2 << 20) }
        expectErrno(ENXIO) { _ = try file.seek(.hole, from: Self.gibibyte) }

        try file.allocate(.punch, at: 1 << 20, length: 4096)
        #expect(try file.seek(.data, from: 0) == 1 << 20 + 4096)
        try file.allocate(.zero(keepsSize: false), at: 1 << 20 + 5000, length: 10)
        let bytes = try file.bytes(at: 1 << 20, count: 16 << 10)
        for (index, byte) in bytes.enumerated() {
            let isZero = index < 4096 || (5000..<5010).contains(index)
            #expect(byte == (isZero ? 0 : 5), "byte \(index)")
        }
    }

    @Test func spaceCannotBeAskedForBeyondTheEnd() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let file = try fixture.open("disks/data", writes: true)
        let end = Self.gibibyte
        expectErrno(ENOSPC) {
            try file.allocate(.zero(keepsSize: false), at: end - 10, length: 20)
        }
        try file.put([1, 2], at: end - 2)
        try file.allocate(.zero(keepsSize: true), at: end - 2, length: 20)
        #expect(try file.bytes(at: end - 2, count: 2) == [0, 0])
        try file.allocate(.punch, at: end + 4096, length: 4096)
        expectErrno(EFBIG) { try file.allocate(.punch, at: .max, length: 2) }
        expectErrno(EINVAL) { try file.allocate(.punch, at: 0, length: 0) }
    }

    @Test func aDiskGrowsAndDoesNotShrink() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let inode = try fixture.find("disks/data").inode
        func resize(_ size: UInt64, as caller: Caller = Fixture.owner) throws -> Attributes {
            var change = AttributeChange()
            change.size = size
            change.isThroughHandle = true
            return try fixture.tree.change(inode, change, caller: caller)
        }
        #expect(try resize(Self.gibibyte + 8192).size == Self.gibibyte + 8192)
        #expect(try fixture.find("disks/data").inode == inode)
        #expect(try resize(Self.gibibyte + 8192).size == Self.gibibyte + 8192)
        expectErrno(EPERM) { _ = try resize(4096) }
        expectErrno(EPERM) { _ = try resize(0) }
        expectErrno(EINVAL) { _ = try resize(Self.gibibyte + 8192 + 512) }
        expectErrno(EPERM) { _ = try resize(2 * Self.gibibyte, as: Fixture.stranger) }
        // O_TRUNC is ignored, however the kernel tells of it.
        var opening = AttributeChange()
        opening.size = 0
        #expect(
            try fixture.tree.change(inode, opening, caller: Fixture.owner).size
                == Self.gibibyte + 8192)
        _ = try fixture.open("disks/data", writes: true, truncates: true)
        let file = try fixture.open("disks/data", writes: true)
        #expect(try file.put([9], at: Self.gibibyte + 8191) == 1)
    }

    @Test func modeAndOwnerAreFactsAndTimeIsNot() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let inode = try fixture.find("disks/data").inode
        var same = AttributeChange()
        same.mode = 0o600
        same.owner = 1000
        _ = try fixture.tree.change(inode, same, caller: Fixture.owner)
        for change in [\AttributeChange.mode, \.owner, \.group] {
            var other = AttributeChange()
            other[keyPath: change] = 7
            expectErrno(EPERM) { _ = try fixture.tree.change(inode, other, caller: Fixture.root) }
        }
        var time = AttributeChange()
        time.modified = .at(1_234_567_890)
        let changed = try fixture.tree.change(inode, time, caller: Fixture.owner)
        #expect(changed.modified == 1_234_567_890)
        try fixture.open("disks/data", writes: true).put([1], at: 0)
        #expect(try fixture.find("disks/data").modified > 1_234_567_890)
    }

    @Test func onlineGrowthIsToldToTheKernel() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let inode = try fixture.find("disks/data").inode
        _ = fixture.kernel.take()
        try fixture.perform("ResizeDisk DiskId=data NewSize=2")
        #expect(fixture.kernel.take() == [.attributes(inode)])
        #expect(try fixture.find("disks/data").size == 2 * Self.gibibyte)
    }
}
