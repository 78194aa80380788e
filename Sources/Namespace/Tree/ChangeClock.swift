import DiskFormat
import Glibc
import Synchronization

/// When a disk was last written through this mount: its `mtime`. It is not stored, as little as a
/// block device's is: a disk shows its creation until it is written.
final class ChangeTime: Sendable {
    private let nanoseconds: Atomic<Int64>

    init(_ nanoseconds: Int64) { self.nanoseconds = Atomic(nanoseconds) }

    var value: Int64 {
        get { nanoseconds.load(ordering: .relaxed) }
        set { nanoseconds.store(newValue, ordering: .relaxed) }
    }

    /// Nanoseconds of a time in seconds; a forged record may hold any.
    static func nanoseconds(seconds: Int64) -> Int64 { seconds &* 1_000_000_000 }

    func touch() { value = Self.now() }

    /// Nanoseconds since 1970-01-01T00:00:00Z, as fine as the kernel's tick: this is on the path
    /// of every write.
    static func now() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &now)
        return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
    }
}

/// The change times of all disks of the tree.
final class ChangeClock: Sendable {
    private let times: Mutex<[DiskID: ChangeTime]>

    /// `earlier`: what another tree of the same mount had, by id.
    init(_ earlier: [String: Int64] = [:]) {
        var times: [DiskID: ChangeTime] = [:]
        for (text, time) in earlier {
            if let id = DiskID(text) { times[id] = ChangeTime(time) }
        }
        self.times = Mutex(times)
    }

    /// Nanoseconds by id, as another tree of the same mount goes on with them.
    var handover: [String: Int64] {
        times.withLock { times in
            Dictionary(uniqueKeysWithValues: times.map { ($0.key.text, $0.value.value) })
        }
    }

    /// The disk's time; `created` (nanoseconds) if it has none yet.
    func time(of disk: DiskID, created: Int64) -> ChangeTime {
        times.withLock { times in
            if let time = times[disk] { return time }
            let time = ChangeTime(created)
            times[disk] = time
            return time
        }
    }

    func forget(_ disk: DiskID) { times.withLock { $0[disk] = nil } }
}
