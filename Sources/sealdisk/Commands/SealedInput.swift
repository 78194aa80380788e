import ControlPlane
import DiskEngine
import Glibc
import KeyManagement

/// A sealed snapshot's file on its way in, or to be looked at: a file, or standard input.
final class SealedInput {
    /// As it was named.
    let name: String
    private let descriptor: Int32

    /// `-` is standard input.
    init(_ name: String) throws(Failure) {
        self.name = name
        descriptor = name == "-" ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw SealedCopy.failure("The file \(name) cannot be opened", errno)
        }
    }

    deinit { if descriptor != STDIN_FILENO { close(descriptor) } }

    /// Bytes; 0 where nobody can tell.
    var size: UInt64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return 0 }
        return UInt64(status.st_size)
    }

    /// Fills the buffer with the next bytes, fewer only at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
        var count = 0
        while count < buffer.count {
            let got = Glibc.read(
                descriptor, buffer.baseAddress! + count, buffer.count - count)  // has room
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else {
                throw SealedCopy.failure("The file \(name) cannot be read", errno)
            }
            if got == 0 { break }
            count += got
        }
        return count
    }
}

extension SealedCopy {
    static func check(
        _ file: String, keys: HostKeys?, _ form: ProgressForm
    ) throws(Failure) -> SealedSnapshotReport {
        let input = try SealedInput(file)
        let progress = Progress(of: input.size, "Verifying \(file)", form)
        defer { progress.end() }
        var done: UInt64 = 0
        do {
            return try SealedSnapshots.check(
                reading: { buffer in
                    let count = try input.read(into: buffer)
                    done += UInt64(count)
                    progress.reached(done)
                    return count
                }, keys: keys?.metered)
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
