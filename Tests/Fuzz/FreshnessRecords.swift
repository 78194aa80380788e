import CryptoPrimitives

@testable import DiskFormat

extension FuzzTarget {
    /// A freshness anchor's line of JSON; its checksum is put right after every mutation.
    static let freshnessRecord = FuzzTarget("freshness-record") {
        var record = FreshnessRecord(store: Example.lineage.description)
        let empty = try line(of: record)
        record.set(Example.lineage, .init(version: 3, suite: .plain))
        record.set(
            Example.disk,
            try .init(
                lineage: Example.lineage, manifestVersion: 4, session: Example.state.session,
                durable: LogPosition(chunk: Example.chunk, slot: 40)))
        _ = record.note(Example.snapshot, in: Example.lineage, isNew: true)
        record.forget(Example.base)
        return [empty, try line(of: record)]
    } run: { bytes in
        let line = bytes.filter { $0 != newline }
        let record = try FreshnessRecord(
            decoding: line + [newline] + Array(Hex.text(try SHA256.hash(line)).utf8) + [newline])
        requireSame(record) { try FreshnessRecord(decoding: record.encoded()) }
    }

    private static let newline = UInt8(ascii: "\n")

    private static func line(of record: FreshnessRecord) throws -> [UInt8] {
        Array(try record.encoded().prefix { $0 != newline })
    }
}
