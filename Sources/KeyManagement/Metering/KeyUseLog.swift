import CryptoPrimitives
import Glibc

/// The record of every use of a CMK: a JSON object a line, appended, never rewritten here.
///
/// A line is durable before the key it tells of is handed out. Log rotation may rename the file:
/// each line opens it anew. Each line holds the hash of the one before (`ChainedLine`); beside the
/// log, `key-use.head` holds the hash of the last one, so that a new file goes on from the old one,
/// and that a cut at the end is seen. Its lock is the log's: it is never renamed.
struct KeyUseLog: Sendable {
    let folder: String

    var path: String { file("key-use.log") }
    var headPath: String { file("key-use.head") }

    func file(_ name: String) -> String { (folder == "/" ? "" : folder) + "/" + name }

    /// `context` is nil for DescribeKey and Note, `keyID` if no CMK was found or used.
    struct Entry: Encodable {
        static let success = "ok"

        /// From 1 on, in the order of the chain; given by the log.
        var number: UInt64 = 0
        /// The hash of the line before; zeros in the first. Given by the log.
        var previous = HexBytes([])
        let time: Timestamp
        let action: String
        let operation: Operation
        let keyID: String?
        let account: String
        let region: String
        let resource: String
        let context: KeyContext?
        /// `ok`, or the error's code.
        var result: String
    }

    enum Operation: String, Encodable, Sendable {
        case generateDataKey = "GenerateDataKey"
        case decrypt = "Decrypt"
        case reEncrypt = "ReEncrypt"
        case describeKey = "DescribeKey"
        case rotateKey = "RotateKey"
        /// No key was used.
        case note = "Note"
    }

    /// Throws `.io`; then no part of the line is left in the file, unless it was the head alone
    /// that could not be written.
    ///
    /// Returns how many uses of the entry's day were made before. If those are `quota` or more, an
    /// entry that tells of a success is written as refused: nobody else can come in between.
    @discardableResult
    func append(_ entry: Entry, quota: UInt64? = nil) throws(KeyError) -> UInt64 {
        try HostFile.makeFolder(folder)
        return try withHead { (headFile) throws(KeyError) -> UInt64 in
            let file = try HostFile.openForWriting(path, O_RDWR | O_APPEND)
            // Versions without a head lock the log itself.
            try file.lock()
            let end = try KeyUseLogEnd(of: file)
            let tip = KeyUseLogHead.tip(
                head: try KeyUseLogHead.read(headFile), last: end.line)
            var entry = entry
            entry.number = tip.number + 1
            entry.previous = tip.sha256
            let day = Self.day(of: entry.time)
            let used = tip.day == day ? tip.uses : try counted(on: day)
            if let quota, used >= quota, entry.result == Entry.success {
                entry.result = KeyError.Code.quotaExceeded.rawValue
            }
            let (line, hash) = try ChainedLine.bytes(of: entry, "a line of \(path)")
            do throws(KeyError) {
                // The rest of a line that was never whole: no key was handed out for it.
                if end.length < end.size, ftruncate(file.number, off_t(end.length)) != 0 {
                    throw KeyError.system("cut", path)
                }
                try file.write(line)
                try file.synchronize()
            } catch {
                ftruncate(file.number, off_t(end.length))
                throw error
            }
            let counts = Self.counts(entry.action, result: entry.result)
            try KeyUseLogHead(
                number: entry.number, sha256: hash, day: day, uses: used + (counts ? 1 : 0)
            ).write(headFile)
            return used
        }
    }

    /// One process and thread at a time. The head's file is made if it is missing.
    func withHead<R>(
        _ body: (borrowing FileDescriptor) throws(KeyError) -> R
    ) throws(KeyError) -> R {
        let file = try HostFile.openForWriting(headPath, O_RDWR)
        try file.lock()
        return try body(file)
    }
}

/// What is known of the chain's last line: `key-use.head`, written in place after each line and
/// padded to one length. It may be one line behind, where a process died between the two.
struct KeyUseLogHead: Codable, Sendable {
    private static let length = 256

    let number: UInt64
    let sha256: HexBytes
    /// Of the last line; empty if that is not known.
    var day = ""
    /// How many uses that count the day has so far.
    var uses: UInt64 = 0

    /// Before the first line.
    static let start = KeyUseLogHead(
        number: 0, sha256: HexBytes([UInt8](repeating: 0, count: SHA256.length)))

    /// What the next line follows: the later of head and last line; the head, where the log was
    /// cut or rotated. What does not fit together then is for the verification to tell.
    static func tip(head: KeyUseLogHead?, last: ChainedLine?) -> KeyUseLogHead {
        guard let last, let link = last.link else { return head ?? start }
        if let head, head.number >= link.number { return head }
        return KeyUseLogHead(number: link.number, sha256: HexBytes(last.hash))
    }

    /// nil if the file is empty, or nothing that this program wrote.
    static func read(_ file: borrowing FileDescriptor) throws(KeyError) -> KeyUseLogHead? {
        let bytes = try file.read(at: 0, count: length)
        guard !bytes.isEmpty else { return nil }
        return try? JSONCoding.decode(KeyUseLogHead.self, from: bytes, file.path)
    }

    func write(_ file: borrowing FileDescriptor) throws(KeyError) {
        var bytes = try JSONCoding.encode(self, file.path)
        let padding = max(0, Self.length - 1 - bytes.count)
        bytes += [UInt8](repeating: UInt8(ascii: " "), count: padding) + [UInt8(ascii: "\n")]
        guard pwrite(file.number, bytes, bytes.count, 0) == bytes.count else {
            throw KeyError.system("write", file.path)
        }
    }
}
