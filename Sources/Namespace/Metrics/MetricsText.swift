/// Figures in the text format of Prometheus, version 0.0.4.
struct MetricsText {
    enum Kind: String {
        case counter, gauge, histogram
    }

    typealias Labels = [(name: String, value: String)]

    private(set) var text = ""
    /// What every sample bears before its own labels.
    private let common: String

    init(common: Labels) { self.common = Self.list(common) }

    /// Begins a metric; its samples follow.
    mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(Self.escaped(help))\n# TYPE \(name) \(kind.rawValue)\n"
    }

    mutating func sample(_ name: String, _ labels: Labels, _ value: UInt64) {
        line(name, Self.list(labels), "\(value)")
    }

    mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
        line(name, Self.list(labels), "\(value)")
    }

    /// A metric with one sample.
    mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: UInt64) {
        begin(name, kind, help)
        sample(name, [], value)
    }

    /// One series of a histogram of seconds.
    mutating func histogram(_ name: String, _ labels: Labels, _ counts: RequestCounters.Counts) {
        let labels = Self.list(labels)
        var total: UInt64 = 0
        for (index, count) in counts.classes.enumerated() {
            total += count
            let bound = Self.seconds(RequestCounters.firstBound << UInt64(index))
            let end = index < RequestCounters.boundCount ? "\(bound)" : "+Inf"
            line("\(name)_bucket", "\(labels),le=\"\(end)\"", "\(total)")
        }
        line("\(name)_sum", labels, "\(Self.seconds(counts.nanoseconds))")
        line("\(name)_count", labels, "\(total)")
    }

    static func seconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1e9 }

    private mutating func line(_ name: String, _ labels: String, _ value: String) {
        let all = common.isEmpty || labels.isEmpty ? common + labels : "\(common),\(labels)"
        text += all.isEmpty ? "\(name) \(value)\n" : "\(name){\(all)} \(value)\n"
    }

    private static func list(_ labels: Labels) -> String {
        labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
            .joined(separator: ",")
    }

    /// Names are what users gave: they may hold anything.
    private static func escaped(_ text: String, quotes: Bool = false) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
