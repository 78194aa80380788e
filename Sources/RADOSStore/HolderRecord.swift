import ChunkStore
import Glibc

/// Who has the store, as lines of text beside the lock. It is set in the same change that takes the
/// lock and goes in the one that gives it back, so a record without a lock is that of somebody
/// whose lease ran out.
struct HolderRecord: CustomStringConvertible {
    let cookie: String
    /// As the cluster knows the holder: `client.4123`, and its address.
    let client: String
    let address: String
    let holder: String
    let process: String
    let host: String
    let time: String
    /// Where the process's number means it: the boot of a host, and the space of process numbers.
    let numbering: String
    /// As it was read.
    let encoded: [UInt8]

    init(
        cookie: String, client: String, address: String, holder: String, process: pid_t = getpid()
    ) {
        self.cookie = cookie
        self.client = client
        self.address = address
        // A line each: what the caller gave must not add any.
        self.holder = String(holder.map { $0.isNewline ? " " : $0 }.prefix(1024))
        self.process = String(process)
        host = Self.hostName()
        time = Self.utc(Glibc.time(nil))
        numbering = Self.ownNumbering()
        let lines = [
            cookie, client, address, self.holder, self.process, host, time, numbering,
        ]
        encoded = Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    /// nil if it is not one of ours.
    init?(_ encoded: [UInt8]) {
        // It may hold anything: of each line only what can be printed, and not much of it.
        let lines = String(decoding: encoded.prefix(4096), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
            .map { line in
                String(line.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f })
            }
        guard lines.count >= 8 else { return nil }
        (cookie, client, address) = (lines[0], lines[1], lines[2])
        (holder, process, host, time) = (lines[3], lines[4], lines[5], lines[6])
        numbering = lines[7]
        self.encoded = encoded
    }

    /// Whether the holder's process is known to have ended: nobody has to wait for its lease. Not
    /// of a process of another host, nor of another container.
    var hasEnded: Bool {
        guard !numbering.isEmpty, numbering == Self.ownNumbering(), let process = pid_t(process),
            process > 0
        else { return false }
        return kill(process, 0) < 0 && errno == ESRCH
    }

    /// Empty if it cannot be told.
    private static func ownNumbering() -> String {
        guard let file = fopen("/proc/sys/kernel/random/boot_id", "re") else { return "" }
        defer { fclose(file) }
        var boot = [CChar](repeating: 0, count: 64)
        let count = fread(&boot, 1, boot.count - 1, file)
        var space = [CChar](repeating: 0, count: 64)
        let length = readlink("/proc/self/ns/pid", &space, space.count)
        guard count > 0, length > 0 else { return "" }
        let id = text(boot.prefix { $0 > 0x20 })
        return id + " " + text(space[..<min(length, space.count)])
    }

    var description: String {
        "in use by `\(holder)`, process \(process) on \(host), since \(time)"
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
