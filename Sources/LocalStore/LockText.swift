import ChunkStore
import Glibc

/// Who holds a store, as lines of text in its lock file: holder, process, host, time.
struct LockText: CustomStringConvertible {
    private static let limit = 4096

    let holder: String
    let process: String
    let host: String
    let time: String

    /// This process, now.
    init(holder: String) {
        // A line each: what the caller gave must not add any.
        self.holder = String(holder.map { $0.isNewline ? " " : $0 }.prefix(1024))
        process = String(getpid())
        host = Self.hostName()
        time = Self.utc(Glibc.time(nil))
    }

    /// nil if the file does not say: its holder has not written it yet, or is not one of us.
    init?(readFrom file: borrowing Descriptor) {
        var bytes = [UInt8](repeating: 0, count: Self.limit)
        let (number, calls) = (file.number, file.host)
        let count = bytes.withUnsafeMutableBytes { buffer in
            retrying { calls.pread(number, buffer, 0) }
        }
        guard count > 0 else { return nil }
        // The file may hold anything: of each line only what can be printed, and not much of it.
        let lines = String(decoding: bytes[..<count], as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
            .map { line in
                String(line.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f })
            }
        guard lines.count >= 4 else { return nil }
        (holder, process, host, time) = (lines[0], lines[1], lines[2], lines[3])
    }

    var description: String {
        "in use by `\(holder)`, process \(process) on \(host), since \(time)"
    }

    func write(to file: borrowing Descriptor, _ operation: String) throws(StoreError) {
        let text = Array("\(holder)\n\(process)\n\(host)\n\(time)\n".utf8)
        try file.write(text, at: 0, operation)
        try check(file.host.ftruncate(file.number, off_t(text.count)), operation)
    }

    private static func hostName() -> String {
        var bytes = [CChar](repeating: 0, count: 256)
        // The last byte stays 0 whatever the length of the name.
        guard gethostname(&bytes, bytes.count - 1) == 0 else { return "unknown host" }
        return text(bytes.prefix { $0 != 0 })
    }

    private static func utc(_ seconds: time_t) -> String {
        var seconds = seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var bytes = [CChar](repeating: 0, count: 64)
        let count = strftime(&bytes, bytes.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return text(bytes.prefix(count))
    }

    private static func text(_ bytes: ArraySlice<CChar>) -> String {
        String(decoding: bytes.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
