import CryptoPrimitives
import Glibc

/// Small files of the host that hold or protect keys, or vouch for a store: read whole, replaced
/// whole.
package enum HostFile {
    /// The folder of `path`; `.` for a bare name.
    package static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Makes the folder and those above it that are missing, for their owner alone.
    package static func makeFolder(_ path: String) throws(KeyError) {
        if mkdir(path, 0o700) == 0 { return try synchronizeFolder(folder(of: path)) }
        switch errno {
        case EEXIST: return
        case ENOENT where folder(of: path) != path:
            try makeFolder(folder(of: path))
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw KeyError.system("create folder", path)
            }
            try synchronizeFolder(folder(of: path))
        default: throw KeyError.system("create folder", path)
        }
    }

    static func synchronizeFolder(_ path: String) throws(KeyError) {
        try FileDescriptor(path, O_RDONLY | O_DIRECTORY).synchronize()
    }

    /// The whole file, or nil if there is none. Refuses a file that is longer than `limit`, that
    /// belongs to another user (but root), or that others may read or write; and one in a folder
    /// where others could put another in its place.
    package static func read(_ path: String, limit: Int) throws(KeyError) -> [UInt8]? {
        guard let file = try FileDescriptor.openIfPresent(path, O_RDONLY | O_NONBLOCK) else {
            return nil
        }
        let status = try file.status()
        try requireOwned(status, path, forbidden: 0o077, advice: "chmod 600 \(path)")
        try requireOwnFolder(of: path)
        guard status.st_size <= limit else {
            throw KeyError(
                .io,
                "\(path) has \(status.st_size) bytes, more than the \(limit) it may have")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let count = try withRawBytes(of: &bytes) { (buffer) throws(KeyError) in
            try file.read(into: buffer)
        }
        return Array(bytes.prefix(count))
    }

    /// That nobody but this user and root can rename or replace what is in the folder of `path`.
    static func requireOwnFolder(of path: String) throws(KeyError) {
        let folder = folder(of: path)
        let status = try FileDescriptor(folder, O_RDONLY | O_DIRECTORY).status()
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw KeyError(
                .io,
                "folder \(folder) belongs to user \(status.st_uid), who could exchange"
                    + " \(path): chown it, or keep it elsewhere")
        }
        // In a sticky folder (/tmp) names are their owners' alone.
        guard status.st_mode & 0o022 == 0 || status.st_mode & S_ISVTX != 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw KeyError(
                .io,
                "folder \(folder) is open to other users (mode \(mode)), who could exchange"
                    + " \(path): chmod 700 \(folder)")
        }
    }

    /// Opens a file that is written in place, made if it is missing: a regular one with one name,
    /// of this user or root, and nothing that was planted in its stead.
    static func openForWriting(_ path: String, _ flags: Int32) throws(KeyError) -> FileDescriptor {
        // O_NONBLOCK: a pipe without a reader must not hold us up.
        let file = try FileDescriptor(path, flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK)
        let status = try file.status()
        try requireOwned(status, path, forbidden: 0o022, advice: "chmod 600 \(path)")
        guard status.st_nlink == 1 else {
            throw KeyError(
                .io, "\(path) has another name (a hard link): move it away, it may not be ours")
        }
        return file
    }

    /// A regular file of this user or root that others do not have the `forbidden` rights to.
    static func requireOwned(
        _ status: stat, _ path: String, forbidden: mode_t, advice: String
    ) throws(KeyError) {
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw KeyError(.io, "\(path) is not a regular file")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw KeyError(
                .io, "\(path) belongs to user \(status.st_uid), not to this user or root")
        }
        guard status.st_mode & forbidden == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw KeyError(.io, "\(path) is open to other users (mode \(mode)): \(advice)")
        }
    }

    /// Replaces or creates the file, mode 0600: after a crash it is wholly the old or wholly the
    /// new one, and once this returns, the new one. One caller at a time (hold a lock).
    package static func replace(_ path: String, with bytes: [UInt8]) throws(KeyError) {
        let temporary = path + ".new"
        do throws(KeyError) {
            // What an interrupted call left behind is overwritten.
            if unlink(temporary) != 0, errno != ENOENT {
                throw KeyError.system("remove", temporary)
            }
            let file = try FileDescriptor(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
            try file.write(bytes)
            try file.synchronize()
            guard rename(temporary, path) == 0 else { throw KeyError.system("replace", path) }
        } catch {
            unlink(temporary)
            throw error
        }
        try synchronizeFolder(folder(of: path))
    }
}

/// Array.withUnsafeMutableBytes with a typed error.
func withRawBytes<R>(
    of bytes: inout [UInt8], _ body: (UnsafeMutableRawBufferPointer) throws(KeyError) -> R
) throws(KeyError) -> R {
    try bytes.withUnsafeMutableBufferPointer { (elements) throws(KeyError) -> R in
        try body(UnsafeMutableRawBufferPointer(elements))
    }
}
