import Glibc

/// The record of every use of a CMK: a JSON object a line, appended, never rewritten here.
///
/// A line is durable before the key it tells of is handed out. Log rotation may rename the file:
/// each line opens it anew.
struct KeyUseLog: Sendable {
    let path: String

    /// `context` is nil for DescribeKey and Note, `keyID` if no CMK was found or used.
    struct Entry: Encodable {
        let time: Timestamp
        let action: String
        let operation: Operation
        let keyID: String?
        let account: String
        let region: String
        let resource: String
        let context: KeyContext?
        /// `ok`, or the error's code.
        let result: String
    }

    enum Operation: String, Encodable, Sendable {
        case generateDataKey = "GenerateDataKey"
        case decrypt = "Decrypt"
        case reEncrypt = "ReEncrypt"
        case describeKey = "DescribeKey"
        /// No key was used.
        case note = "Note"
    }

    /// Throws `.io`; then no part of the line is left in the file.
    func append(_ entry: Entry) throws(KeyError) {
        let line = try JSONCoding.encode(entry, "a line of \(path)") + [UInt8(ascii: "\n")]
        try HostFile.makeFolder(HostFile.folder(of: path))
        let file = try HostFile.openForWriting(path, O_WRONLY | O_APPEND)
        // Under the lock, so that the length to fall back to is still the length.
        try file.lock()
        let length = try file.status().st_size
        do throws(KeyError) {
            try file.write(line)
            try file.synchronize()
        } catch {
            ftruncate(file.number, length)
            throw error
        }
    }
}
