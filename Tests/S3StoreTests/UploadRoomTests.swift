import Testing

@testable import S3Store

/// Memory for uploads is used again while there are some, and given back after them.
@Suite("S3: rooms for uploads")
struct UploadRoomTests {
    @Test func aRoomIsTakenAgainAsOftenAsItComesBack() {
        let rooms = UploadRooms(most: 2)
        let first = rooms.take(bytes: 3 << 20)
        let place = first.bytes.baseAddress
        #expect(first.bytes.count == UploadRooms.size)
        rooms.giveBack(first)
        #expect(rooms.count == 1)
        let second = rooms.take(bytes: UploadRooms.size)
        #expect(second.bytes.baseAddress == place)
        #expect(rooms.count == 0)
        #expect(rooms.take(bytes: 2 << 20).bytes.baseAddress != place)
    }

    @Test func noMoreAreKeptThanMayBeNeededAndNoneThatAreSmall() {
        let rooms = UploadRooms(most: 2)
        for room in (0..<3).map({ _ in rooms.take(bytes: 5 << 20) }) { rooms.giveBack(room) }
        #expect(rooms.count == 2)
        let small = rooms.take(bytes: 4096)
        #expect(small.bytes.count == 4096)
        rooms.giveBack(small)
        #expect(rooms.count == 2)
        rooms.letGo()
        #expect(rooms.count == 0)
    }

    /// Chunks of 2 MiB: their images are no small rooms.
    @Test func roomsGoWhenNothingWaits() throws {
        let time = HandTime()
        let length: UInt64 = 2 << 20
        let host = try Host(MemoryObjects(), time: time) { $0.waitingBytes = 4 * length }
        let rooms = host.store.uploads.rooms
        let file = try host.store.createFile(try chunk(1), length: length)
        let other = try host.store.createFile(try chunk(2), length: length)
        try other.fill(8, pages: 0..<1)
        try file.fill(7, pages: 0..<512)
        // The first is full, and the second waits.
        try eventually("the room is kept") { rooms.count == 1 }
        try host.store.uploads.publishAll(below: nil)
        try eventually("the rooms go") { rooms.count == 0 }
        try host.store.close()
        #expect(rooms.count == 0)
    }
}
