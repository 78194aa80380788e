import ControlPlane
import Glibc

/// Paths as the mount and the kernel know them: absolute, with symbolic links resolved.
enum AbsolutePath {
    /// The real path of a folder that must exist; `noun` says what it is to be, in messages.
    static func existing(_ path: String, as noun: String) throws(Failure) -> String {
        guard let resolved = resolve(path) else {
            let cause = errno
            throw Failure(
                cause == ENOENT || cause == ENOTDIR ? .notFound : .denied,
                "The \(noun) \(path) cannot be reached: \(String(cString: strerror(cause))).",
                advice: cause == EACCES
                    ? "Run this as a user who may enter it, or as root." : "Check the path.")
        }
        return resolved
    }

    /// nil, with errno set, when it cannot be resolved.
    static func resolve(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The folder that a path lies in, as it is written.
    static func folder(of path: String) -> String {
        var trimmed = path[...]
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    /// What a symbolic link says, unresolved; nil if it is none or cannot be read.
    static func target(of link: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &buffer, buffer.count)
        guard count >= 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
