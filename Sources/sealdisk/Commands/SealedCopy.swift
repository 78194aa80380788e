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
    let progress: ProgressForm

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
        let telling = Progress(of: UInt64(size.st_size), "Exporting \(snapshot)", progress)
        defer { telling.end() }
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
                telling.reached(done)
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

    static func write(
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

    static func failure(_ what: String, _ error: Int32) -> Failure {
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
}
