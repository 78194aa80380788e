import Synchronization

/// Memory for what is on its way into the bucket, kept from one upload to the next: the kernel
/// clears what it gives, page by page, which took 30 % of the processor time of an upload.
///
/// Invariant: no more rooms are kept than there are threads that upload.
final class UploadRooms: Sendable {
    /// Bytes of one. Of a room that was never full the rest takes no memory.
    static let size = 40 << 20
    /// Less than this comes from the heap as quickly.
    private static let smallest = 1 << 20

    private let most: Int
    private let kept = Mutex<[UploadRoom]>([])

    init(most: Int) { self.most = most }

    /// For so many bytes, not more than `size`.
    func take(bytes: Int) -> UploadRoom {
        guard bytes >= Self.smallest else { return UploadRoom(bytes: bytes) }
        return kept.withLock { $0.popLast() } ?? UploadRoom(bytes: Self.size)
    }

    func giveBack(_ room: UploadRoom) {
        guard room.bytes.count == Self.size else { return }
        kept.withLock { if $0.count < most { $0.append(room) } }
    }

    /// Nothing is to be uploaded for now.
    func letGo() { kept.withLock { $0 = [] } }

    /// Rooms that are kept.
    var count: Int { kept.withLock { $0.count } }
}

/// One of them. Whoever has taken it is alone with it: hence @unchecked.
final class UploadRoom: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(bytes count: Int) {
        bytes = .allocate(byteCount: count, alignment: Int(PageSet.pageSize))
    }

    deinit { bytes.deallocate() }
}
