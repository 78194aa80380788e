import Logging

/// Takes what the parts of the program log (swift-log) to the operator, metadata as fields.
struct OperatorLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    /// A logger whose lines bear this metadata besides their own.
    static func logger(_ level: Logger.Level, _ metadata: Logger.Metadata = [:]) -> Logger {
        Logger(label: "sealdisk") { _ in OperatorLog(logLevel: level, metadata: metadata) }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        Report.line(
            "\(event.message)", event.level,
            fields: all.sorted { $0.key < $1.key }
                .map { LogLine.Field(name: $0.key, value: "\($0.value)") })
    }
}
