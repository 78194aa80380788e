import ControlPlane
import CryptoPrimitives
import DiskEngine
import Glibc
import KeyManagement

/// A sealed snapshot on its way out of a mount.
struct SealedCopy {
    let snapshot: String
    /// `snapshots/NAME.sealed` in the mount.
    let source: String

    typealias Outcome = (bytes: UInt64, digest: String)

    /// Bytes that are copied in one go.
    private static let pieceSize = 1 << 20

    /// Into a new file. What an earlier attempt left in `FILE.part` is the beginning of the very
    /// same bytes, and is gone on with.
    func toFile(_ file: String) throws(Failure) -> Outcome {
        var status = stat()
        guard lstat(file, &status) != 0 else {
            throw Failure(
                .exists, "There is a file \(file) already.",
                advice: "Choose another name, or remove it first.")
        }
        let part = file + ".part"
        let input = try opened(source, O_RDONLY, "The snapshot \(snapshot)")
        defer { close(input) }
        let output = try opened(part, O_RDWR | O_CREAT | O_NOFOLLOW, "The file \(part)")
        defer { close(output) }
        let outcome = try copied(from: input, to: output, part)
        guard fsync(output) == 0, rename(part, file) == 0 else {
            throw Self.failure("The file \(file) cannot be completed", errno)
        }
        // Its name, too, is to survive a power failure.
        let folder = try opened(
            AbsolutePath.folder(of: file), O_RDONLY | O_DIRECTORY, "The folder of \(file)")
        defer { close(folder) }
        guard fsync(folder) == 0 else {
            throw Self.failure("The name of \(file) cannot be made durable", errno)
        }
        return outcome
    }

    /// To standard output.
    func toOutput() throws(Failure) -> Outcome {
        let input = try opened(source, O_RDONLY, "The snapshot \(snapshot)")
        defer { close(input) }
        return try copied(from: input, to: nil, "standard output")
    }

    private func opened(_ path: String, _ flags: Int32, _ what: String) throws(Failure) -> Int32 {
        let descriptor = open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure("\(what) cannot be opened", errno) }
        return descriptor
    }

    /// Copies all of it; what `output` has already is compared, and kept as far as it is the same.
    private func copied(from input: Int32, to output: Int32?, _ place: String) throws(Failure)
        -> Outcome
    {
        let piece = UnsafeMutableRawBufferPointer.allocate(
            byteCount: 2 * Self.pieceSize, alignment: 4096)
        defer { piece.deallocate() }
        let fresh = UnsafeMutableRawBufferPointer(rebasing: piece[..<Self.pieceSize])
        let old = UnsafeMutableRawBufferPointer(rebasing: piece[Self.pieceSize...])
        var size = stat()
        guard fstat(input, &size) == 0 else { throw Self.failure("\(source) fails", errno) }
        let progress = Progress(of: UInt64(size.st_size), "Exporting \(snapshot)")
        defer { progress.end() }
        var done: UInt64 = 0
        do {
            let digest = try SHA256.Stream()
            while true {
                let count = try Self.fill(fresh, from: input, at: done, snapshot)
                let bytes = UnsafeRawBufferPointer(rebasing: fresh[..<count])
                if count == 0 { break }
                try digest.add(bytes)
                if let output {
                    let there = pread(output, old.baseAddress, count, off_t(done))
                    let isSame = there == count && old[..<count].elementsEqual(bytes)
                    if !isSame {
                        try Self.write(bytes, to: output, at: done, place)
                    }
                } else {
                    try Self.write(bytes, to: STDOUT_FILENO, at: nil, place)
                }
                done += UInt64(count)
                progress.reached(done)
            }
            if let output, ftruncate(output, off_t(done)) != 0 {
                throw Self.failure("The file \(place) cannot be cut", errno)
            }
            return (done, Hex.text(try digest.finish()))
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(unforeseen: error)
        }
    }

    private static func fill(
        _ buffer: UnsafeMutableRawBufferPointer, from input: Int32, at offset: UInt64,
        _ snapshot: String
    ) throws(Failure) -> Int {
        var count = 0
        while count < buffer.count {
            let got = pread(
                input, buffer.baseAddress! + count, buffer.count - count,  // allocated
                off_t(offset) + off_t(count))
            if got == 0 { break }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else {
                throw failure("Snapshot \(snapshot) cannot be read at byte \(offset)", errno)
            }
            count += got
        }
        return count
    }

    private static func write(
        _ bytes: UnsafeRawBufferPointer, to output: Int32, at offset: UInt64?, _ place: String
    ) throws(Failure) {
        var done = 0
        while done < bytes.count {
            let start = bytes.baseAddress! + done  // of a piece that is not empty
            let count =
                offset.map { pwrite(output, start, bytes.count - done, off_t($0) + off_t(done)) }
                ?? Glibc.write(output, start, bytes.count - done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw failure("\(place) cannot be written", count == 0 ? EIO : errno)
            }
            done += count
        }
    }

    private static func failure(_ what: String, _ error: Int32) -> Failure {
        let kind: ErrorKind =
            switch error {
            case ENOKEY: .keyRequired
            case ENOSPC, EDQUOT: .noSpace
            case ENOENT: .notFound
            case EACCES, EPERM, EROFS: .denied
            default: .failed
            }
        let advice =
            switch kind {
            case .keyRequired: "Attach a disk of its lineage first: sealdisk disk attach DISK"
            case .noSpace: "Make room and give the same command again: it goes on from here."
            default: "Check the path; what was copied so far is kept, and gone on with."
            }
        return Failure(kind, "\(what): \(String(cString: strerror(error))).", advice: advice)
    }

    // MARK: Checking

    static func check(_ file: String, keys: EmbeddedKMS?) throws(Failure) -> SealedSnapshotReport {
        let input = file == "-" ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw failure("The file \(file) cannot be opened", errno) }
        defer { if input != STDIN_FILENO { close(input) } }
        do {
            return try SealedSnapshots.check(
                reading: { buffer in
                    var count = 0
                    while count < buffer.count {
                        let got = read(
                            input, buffer.baseAddress! + count, buffer.count - count)  // a page
                        if got < 0, errno == EINTR { continue }
                        guard got >= 0 else {
                            throw failure("The file \(file) cannot be read", errno)
                        }
                        if got == 0 { break }
                        count += got
                    }
                    return count
                }, keys: keys)
        } catch let failure as Failure {
            throw failure
        } catch {
            let refusal = Failure(Refusal(ofStore: error))
            guard (error as? DiskError)?.code == .damaged else { throw refusal }
            throw Failure(
                .failed, "\(file) is damaged, or no sealed snapshot: \(error).",
                advice: "Copy or export it again: nothing can be made whole from the rest.")
        }
    }
}

/// What a check found, for people and for programs.
enum SealedReport {
    static func text(_ report: SealedSnapshotReport) -> String {
        var details = Details()
        details.add("Snapshot", report.snapshot)
        details.add("Base", report.base ?? "")
        details.add("Disk", report.disk)
        details.add("Size", "\(ByteSize.text(report.size)) (\(report.size) bytes)")
        details.add("Stored", ByteSize.text(report.storedBytes))
        details.add("Encryption", report.isEncrypted ? "AES-256-GCM" : "none")
        details.add("Key", report.keyID ?? "")
        details.add("Created", "\(report.created)")
        details.add("File", "\(report.fileSize) bytes")
        details.add("SHA-256", report.digest)
        details.add(
            "Checked",
            report.isAuthentic
                ? report.isEncrypted ? "every byte, with the key" : "every byte, by checksums"
                : "structure and hashes; not authenticated (--with-key)")
        return details.text
    }

    static func json(_ report: SealedSnapshotReport) -> String {
        let fields: JSONObject = [
            "SnapshotId": .string(report.snapshot), "BaseSnapshotId": .string(report.base ?? ""),
            "DiskId": .string(report.disk), "Lineage": .string(report.lineage),
            "SizeBytes": .integer(report.size), "StoredBytes": .integer(report.storedBytes),
            "Encrypted": .bool(report.isEncrypted), "KMSKeyId": .string(report.keyID ?? ""),
            "CreationTime": .string("\(report.created)"), "Bytes": .integer(report.fileSize),
            "Digest": .string(report.digest), "Authenticated": .bool(report.isAuthentic),
        ]
        return JSON.object(fields).text
    }
}

/// How far something long has come, told on a terminal.
private struct Progress {
    private let all: UInt64
    private let what: String
    private let isShown = isatty(STDERR_FILENO) == 1

    init(of all: UInt64, _ what: String) {
        self.all = max(1, all)
        self.what = what
    }

    func reached(_ done: UInt64) {
        guard isShown else { return }
        Terminal.complain("\r\(what): \(done * 100 / all) % of \(ByteSize.text(all)) ")
    }

    func end() { if isShown { Terminal.complain("\r\u{1B}[K") } }
}
