import Glibc

/// What requests of a disk are told apart by, in figures and traces.
enum DiskOperation: UInt8, CaseIterable, Sendable {
    case read, write, flush, discard, writeZeroes

    var name: String {
        switch self {
        case .read: "read"
        case .write: "write"
        case .flush: "flush"
        case .discard: "discard"
        case .writeZeroes: "write_zeroes"
        }
    }
}

/// One request of a disk that was answered: everything about it but what was read or written.
struct TraceRecord: Sendable {
    /// When it came, in nanoseconds since 1970-01-01T00:00:00Z.
    let time: Int64
    /// Bytes, both.
    let offset: UInt64
    let length: UInt64
    /// How long it took, without what a speed limit held back.
    let nanoseconds: UInt64
    /// 0: it did what it was to do.
    let errno: Int32
    let operation: DiskOperation

    /// No line is longer, in bytes.
    static let longestLine = 224

    /// A line of JSON, whose fields stand in Observability.md.
    var line: String {
        "{\"Time\":\"\(Self.stamp(time))\",\"Operation\":\"\(operation.name)\",\"Offset\":\(offset)"
            + ",\"Length\":\(length),\"Nanoseconds\":\(nanoseconds),\"Errno\":\(errno)}\n"
    }

    /// Finer than the time of changes, which is as coarse as the kernel's ticks.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// `2026-11-25T08:00:00.000000001Z`.
    static func stamp(_ time: Int64) -> String {
        let (whole, part) = time.quotientAndRemainder(dividingBy: 1_000_000_000)
        var (seconds, parts) = (Int(whole), tm())
        gmtime_r(&seconds, &parts)
        func digits(_ value: Int, _ count: Int) -> String {
            let text = "\(value)"
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        let day = [Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday)]
        let clock = [Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec)]
        return digits(day[0], 4) + "-" + digits(day[1], 2) + "-" + digits(day[2], 2) + "T"
            + clock.map { digits($0, 2) }.joined(separator: ":") + "." + digits(Int(part), 9) + "Z"
    }
}
