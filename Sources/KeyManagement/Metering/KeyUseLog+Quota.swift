import Glibc

/// The quota of a day, and the counting for it. A day is one of UTC.
///
/// The head holds the count of the last line's day, so that rotation does not lose it. Where the
/// head cannot be trusted, or the day is another, the lines of the day are counted.
extension KeyUseLog {
    private struct Quota: Codable {
        let perDay: UInt64
    }

    private static let longestQuota = 4096

    var quotaPath: String { file("key-use.quota") }

    /// Uses that a day allows; nil for as many as anybody wants. Throws `.io`.
    func quota() throws(KeyError) -> UInt64? {
        guard let bytes = try HostFile.read(quotaPath, limit: Self.longestQuota) else { return nil }
        return try JSONCoding.decode(Quota.self, from: bytes, "the quota \(quotaPath)").perDay
    }

    /// Durable when it returns. Throws `.io`.
    func setQuota(_ perDay: UInt64?) throws(KeyError) {
        try HostFile.makeFolder(folder)
        try withHead { (_) throws(KeyError) in
            if let perDay {
                let text = try JSONCoding.encode(Quota(perDay: perDay), quotaPath)
                try HostFile.replace(quotaPath, with: text + [UInt8(ascii: "\n")])
            } else {
                guard unlink(quotaPath) == 0 || errno == ENOENT else {
                    throw KeyError.system("remove", quotaPath)
                }
                try HostFile.synchronizeFolder(folder)
            }
        }
    }

    /// Uses of a day that count. Throws `.io`.
    func uses(on day: String) throws(KeyError) -> UInt64 {
        guard access(headPath, F_OK) == 0 else { return try counted(on: day) }
        return try withHead { (headFile) throws(KeyError) in
            var last: ChainedLine?
            if let file = try FileDescriptor.openIfPresent(path, O_RDONLY | O_NONBLOCK) {
                last = try KeyUseLogEnd(of: file).line
            }
            let tip = KeyUseLogHead.tip(head: try KeyUseLogHead.read(headFile), last: last)
            return tip.day == day ? tip.uses : try counted(on: day)
        }
    }

    /// The same, out of the lines.
    func counted(on day: String) throws(KeyError) -> UInt64 {
        var count: UInt64 = 0
        try eachUse(from: day) { use in
            if use.day == day, use.counts { count += 1 }
        }
        return count
    }

    /// What counting needs of a line.
    struct Use: Decodable {
        let time: Timestamp
        let action: String
        let result: String

        var day: String { KeyUseLog.day(of: time) }
        var counts: Bool { KeyUseLog.counts(action, result: result) }
    }

    /// Whether a use counts against the quota: one that the quota refused does not.
    static func counts(_ action: String, result: String) -> Bool {
        MeteredKeys.meteredActions.contains(action)
            && result != KeyError.Code.quotaExceeded.rawValue
    }

    /// `2026-11-29`.
    static func day(of time: Timestamp) -> String { String(time.description.prefix(10)) }

    /// The uses of `day` and of those after it, in the order of the log; other lines are left out.
    func eachUse(from day: String, _ visit: (Use) -> Void) throws(KeyError) {
        let first = Array(day.utf8)
        for file in files {
            guard var lines = try KeyUseLogLines(file) else { continue }
            while let line = try lines.next() {
                // Most lines are older, and are not worth decoding.
                if let day = ChainedLine.day(of: line.bytes), day.lexicographicallyPrecedes(first) {
                    continue
                }
                if let use = try? JSONCoding.decode(Use.self, from: Array(line.bytes), file) {
                    if use.day >= day { visit(use) }
                }
            }
        }
    }
}
