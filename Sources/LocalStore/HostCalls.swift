import CLinuxFile
import Glibc

/// The kernel's calls by which a store reaches its folder, and the only ones: with another host in
/// the kernel's place, a test may lose power in the middle of any of them.
///
/// Each means what the manual says of the function of its name, and fails as that does: with -1,
/// and the reason in `errno`.
protocol HostCalls: Sendable {
    /// Opens a folder by a path of the host, where links are followed.
    func openFolder(_ path: String) -> Int32
    func openat(_ folder: Int32, _ name: String, _ flags: Int32, _ mode: mode_t) -> Int32
    func close(_ file: Int32)
    func fstat(_ file: Int32, _ status: inout stat) -> Int32
    /// Of what has the name itself, were it a link.
    func fstatat(_ folder: Int32, _ name: String, _ status: inout stat) -> Int32
    func fstatvfs(_ file: Int32, _ status: inout statvfs) -> Int32

    func pread(_ file: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ offset: off_t) -> Int
    /// preadv2(2) with RWF_NOWAIT: what memory holds.
    func preadNoWait(
        _ file: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ offset: off_t
    ) -> Int
    func pwrite(_ file: Int32, _ buffer: UnsafeRawBufferPointer, _ offset: off_t) -> Int
    func fsync(_ file: Int32) -> Int32
    func fdatasync(_ file: Int32) -> Int32
    /// Returns the reason, or 0.
    func fadvise(_ file: Int32, _ offset: off_t, _ length: off_t, _ advice: Int32) -> Int32
    func fallocate(_ file: Int32, _ mode: Int32, _ offset: off_t, _ length: off_t) -> Int32
    func ftruncate(_ file: Int32, _ length: off_t) -> Int32
    /// lseek(2) with SEEK_HOLE, from the beginning.
    func firstHole(_ file: Int32) -> off_t
    /// flock(2).
    func lock(_ file: Int32, _ operation: Int32) -> Int32

    func mkdirat(_ folder: Int32, _ name: String, _ mode: mode_t) -> Int32
    func unlinkat(_ folder: Int32, _ name: String, _ flags: Int32) -> Int32
    func renameat(_ from: Int32, _ old: String, _ to: Int32, _ new: String) -> Int32
    /// renameat2(2) with RENAME_NOREPLACE.
    func renameNew(_ from: Int32, _ old: String, _ to: Int32, _ new: String) -> Int32
    /// readdir(3) to the end, without `.` and `..`: names, and their types as `DT_…`.
    func entries(_ folder: Int32) -> [(name: String, type: Int)]?
}

/// The running kernel.
struct Kernel: HostCalls {
    func openFolder(_ path: String) -> Int32 {
        Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }

    func openat(_ folder: Int32, _ name: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
        Glibc.openat(folder, name, flags, mode)
    }

    func close(_ file: Int32) { Glibc.close(file) }

    func fstat(_ file: Int32, _ status: inout stat) -> Int32 { Glibc.fstat(file, &status) }

    func fstatat(_ folder: Int32, _ name: String, _ status: inout stat) -> Int32 {
        Glibc.fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW)
    }

    func fstatvfs(_ file: Int32, _ status: inout statvfs) -> Int32 {
        Glibc.fstatvfs(file, &status)
    }

    func pread(_ file: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ offset: off_t) -> Int {
        Glibc.pread(file, buffer.baseAddress, buffer.count, offset)
    }

    func preadNoWait(
        _ file: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ offset: off_t
    ) -> Int {
        var part = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
        return preadv2(file, &part, 1, offset, Int32(SEALDISK_RWF_NOWAIT))
    }

    func pwrite(_ file: Int32, _ buffer: UnsafeRawBufferPointer, _ offset: off_t) -> Int {
        Glibc.pwrite(file, buffer.baseAddress, buffer.count, offset)
    }

    func fsync(_ file: Int32) -> Int32 { Glibc.fsync(file) }

    func fdatasync(_ file: Int32) -> Int32 { Glibc.fdatasync(file) }

    func fadvise(_ file: Int32, _ offset: off_t, _ length: off_t, _ advice: Int32) -> Int32 {
        posix_fadvise(file, offset, length, advice)
    }

    func fallocate(_ file: Int32, _ mode: Int32, _ offset: off_t, _ length: off_t) -> Int32 {
        CLinuxFile.fallocate(file, mode, offset, length)
    }

    func ftruncate(_ file: Int32, _ length: off_t) -> Int32 { Glibc.ftruncate(file, length) }

    func firstHole(_ file: Int32) -> off_t { lseek(file, 0, Int32(SEALDISK_SEEK_HOLE)) }

    func lock(_ file: Int32, _ operation: Int32) -> Int32 { flock(file, operation) }

    func mkdirat(_ folder: Int32, _ name: String, _ mode: mode_t) -> Int32 {
        Glibc.mkdirat(folder, name, mode)
    }

    func unlinkat(_ folder: Int32, _ name: String, _ flags: Int32) -> Int32 {
        Glibc.unlinkat(folder, name, flags)
    }

    func renameat(_ from: Int32, _ old: String, _ to: Int32, _ new: String) -> Int32 {
        Glibc.renameat(from, old, to, new)
    }

    func renameNew(_ from: Int32, _ old: String, _ to: Int32, _ new: String) -> Int32 {
        renameat2(from, old, to, new, UInt32(SEALDISK_RENAME_NOREPLACE))
    }

    func entries(_ folder: Int32) -> [(name: String, type: Int)]? {
        // A description of its own: a shared one would share the position in the folder.
        let copy = Glibc.openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { return nil }
        guard let stream = fdopendir(copy) else {
            let code = errno
            Glibc.close(copy)
            errno = code
            return nil
        }
        var entries: [(name: String, type: Int)] = []
        // readdir tells its end from a failure only by errno.
        errno = 0
        while let entry = readdir(stream) {
            let name = Self.name(of: entry)
            if name != ".", name != ".." { entries.append((name, Int(entry.pointee.d_type))) }
            errno = 0
        }
        let code = errno
        closedir(stream)
        errno = code
        return code == 0 ? entries : nil
    }

    private static func name(of entry: UnsafeMutablePointer<dirent>) -> String {
        // d_name is an array of fixed length only in name: the bytes end at the NUL.
        let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
        let bytes = UnsafeRawPointer(entry).advanced(by: offset)
        return String(cString: bytes.assumingMemoryBound(to: CChar.self))
    }
}
