import CryptoPrimitives
import Glibc
import Synchronization

/// A file whose content opens a keystore: at least 32 bytes, nobody's to read but its owner's.
enum KeyFile {
    static let minimumLength = 32
    static let maximumLength = 1 << 20

    /// Seconds that reading one may take: it may lie on a file system of a network that is away.
    static let patience = 30.0

    /// The file's content. Throws `.locked`, saying what to do, if it is missing, too short, or
    /// readable to others, `.unavailable` if it cannot be read in time.
    static func read(_ path: String) throws(KeyError) -> SecretBytes {
        try within(patience, path) { () throws(KeyError) in try readAtOnce(path) }
    }

    private final class Outcome: Sendable {
        let secret = SecretSlot()
        let failure = Mutex<KeyError?>(nil)
    }

    /// What `work`, which may hang, reads of a key file; it is left behind after `limit` seconds.
    static func within(
        _ limit: Double, _ path: String,
        _ work: @escaping @Sendable () throws(KeyError) -> SecretBytes
    ) throws(KeyError) -> SecretBytes {
        let (outcome, thread) = (Outcome(), CallThread())
        let isDone = thread.run(limit: limit) {
            do throws(KeyError) {
                outcome.secret.put(try work())
            } catch {
                outcome.failure.withLock { $0 = error }
            }
        }
        thread.end {}
        if let failure = outcome.failure.withLock({ $0 }) { throw failure }
        guard isDone, let secret = outcome.secret.take() else {
            throw KeyError(
                .unavailable,
                "key file \(path) was not read within \(Int(limit.rounded())) seconds: is it on a"
                    + " network's file system that does not answer? Mend that, or give another way"
                    + " to open the keystore")
        }
        return secret
    }

    private static func readAtOnce(_ path: String) throws(KeyError) -> SecretBytes {
        guard
            let file = try locked({ () throws(KeyError) in
                try FileDescriptor.openIfPresent(path, O_RDONLY | O_NONBLOCK)
            })
        else {
            throw KeyError(.locked, "key file \(path) does not exist; name the right one")
        }
        let status = try file.status()
        try locked { () throws(KeyError) in
            try HostFile.requireOwned(
                status, path, forbidden: 0o077,
                advice: "whoever read it can open the keystore; if nobody did, chmod 600 \(path)")
        }
        guard status.st_size >= minimumLength, status.st_size <= maximumLength else {
            throw KeyError(
                .locked,
                "key file \(path) has \(status.st_size) bytes; it needs \(minimumLength) to"
                    + " \(maximumLength), random ones")
        }
        var failure: KeyError?
        let secret = try withCrypto("hold key file \(path)") { () throws(CryptoError) in
            try SecretBytes(count: Int(status.st_size)) { (buffer) throws(CryptoError) in
                do throws(KeyError) {
                    if try file.read(into: buffer) != buffer.count {
                        failure = KeyError(.io, "key file \(path) was cut while it was read")
                    }
                } catch { failure = error }
            }
        }
        if let failure { throw failure }
        return secret
    }

    /// Makes a key file of random bytes unless there is a file of that name; true if it was made.
    /// One caller at a time (hold the keystore's lock).
    static func createIfMissing(
        _ path: String, entropy: any Entropy
    ) throws(KeyError) -> Bool {
        if access(path, F_OK) == 0 { return false }
        try HostFile.makeFolder(HostFile.folder(of: path))
        let secret = try withCrypto("make key file \(path)") { () throws(CryptoError) in
            try SecretBytes.random(count: minimumLength, from: entropy)
        }
        // Written under a name of its own first: a key file is whole or it is not there.
        let temporary = path + ".new"
        unlink(temporary)
        let file = try FileDescriptor(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        defer { unlink(temporary) }
        let written = secret.withUnsafeBytes { Glibc.write(file.number, $0.baseAddress, $0.count) }
        guard written == secret.count else { throw KeyError.system("write", temporary) }
        try file.synchronize()
        // link, unlike rename, never replaces a key that someone else made meanwhile.
        guard link(temporary, path) == 0 else {
            if errno == EEXIST { return false }
            throw KeyError.system("create", path)
        }
        try HostFile.synchronizeFolder(HostFile.folder(of: path))
        return true
    }

    /// A key file that cannot be used leaves the keystore locked, whatever the cause.
    private static func locked<R: ~Copyable>(
        _ body: () throws(KeyError) -> R
    ) throws(KeyError) -> R {
        do throws(KeyError) {
            return try body()
        } catch {
            throw KeyError(.locked, error.message)
        }
    }
}
