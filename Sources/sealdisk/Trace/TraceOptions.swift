import ArgumentParser

/// Operations of a disk, as `--only` takes them.
struct OperationList: ExpressibleByArgument {
    static let known = ["read", "write", "flush", "discard", "write_zeroes"]

    let names: Set<String>

    init?(argument: String) {
        let names = argument.split(separator: ",", omittingEmptySubsequences: false)
            .map(String.init)
        guard !names.isEmpty, names.allSatisfy(Self.known.contains) else { return nil }
        self.names = Set(names)
    }
}

/// A time as `--slower-than` takes it: a number with a unit.
struct Latency: ExpressibleByArgument {
    let nanoseconds: UInt64

    init?(argument: String) {
        let number = argument.prefix { $0.isNumber || $0 == "." }
        let scale: Double? =
            switch argument.dropFirst(number.count) {
            case "ns": 1
            case "us", "µs": 1e3
            case "ms": 1e6
            case "s": 1e9
            default: nil
            }
        guard let scale, let value = Double(number), value * scale < 1e18 else { return nil }
        nanoseconds = UInt64(value * scale)
    }

    /// `850 ns`, `12.3 µs`, `1.50 ms`: three digits that count.
    static func text(_ nanoseconds: UInt64) -> String {
        let units: [(String, UInt64)] = [("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1000)]
        guard let (unit, size) = units.first(where: { nanoseconds >= $0.1 }) else {
            return "\(nanoseconds) ns"
        }
        let whole = nanoseconds / size
        let digits = whole >= 100 ? 0 : whole >= 10 ? 1 : 2
        guard digits > 0 else { return "\(whole) \(unit)" }
        let scale: UInt64 = digits == 1 ? 10 : 100
        let part = "\(nanoseconds % size * scale / size)"
        let zeros = String(repeating: "0", count: digits - part.count)
        return "\(whole).\(zeros)\(part) \(unit)"
    }
}
