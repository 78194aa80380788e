import CFUSE
import Glibc
import Namespace

/// A request of the kernel that still has to be answered.
///
/// Invariant: exactly one reply a request. Every reply consumes the token, and a token that is
/// dropped unanswered answers EIO: a caller never waits for ever.
///
/// `@unchecked Sendable`: libfuse lets any thread reply, and the token has one owner.
struct Request: ~Copyable, @unchecked Sendable {
    private let raw: fuse_req_t

    init(_ raw: fuse_req_t) { self.raw = raw }

    deinit { fuse_reply_err(raw, EIO) }

    /// The mount this request is for.
    var adapter: Adapter { Adapter.of(raw) }

    /// The open file that it is about.
    func file(_ info: UnsafePointer<fuse_file_info>) -> OpenFile {
        adapter.files.content(info.pointee.fh)
    }

    var caller: Caller {
        let context = fuse_req_ctx(raw).pointee
        return Caller(user: context.uid, thread: context.pid)
    }

    consuming func succeed() { fail(0) }

    consuming func fail(_ error: FileError) { fail(error.errno) }

    consuming func fail(_ errno: Int32) {
        fuse_reply_err(raw, errno)
        discard self
    }

    consuming func reply(entry attributes: Attributes) {
        var entry = fuse_entry_param(attributes)
        fuse_reply_entry(raw, &entry)
        discard self
    }

    consuming func reply(attributes: Attributes) {
        var stat = stat(attributes)
        fuse_reply_attr(raw, &stat, attributes.validity)
        discard self
    }

    /// False: the caller was interrupted and will not use, nor release, what was opened.
    consuming func reply(open info: UnsafePointer<fuse_file_info>) -> Bool {
        let result = fuse_reply_open(raw, info)
        discard self
        return result == 0
    }

    consuming func reply(written count: Int) {
        fuse_reply_write(raw, count)
        discard self
    }

    consuming func reply(bytes: UnsafeRawBufferPointer) {
        fuse_reply_buf(raw, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        discard self
    }

    consuming func reply(position: UInt64) {
        fuse_reply_lseek(raw, off_t(position))
        discard self
    }

    consuming func reply(space: (total: UInt64, available: UInt64)) {
        let unit = UInt64(Attributes.preferredBlockSize)
        var answer = statvfs()
        answer.f_bsize = UInt(unit)
        answer.f_frsize = UInt(unit)
        answer.f_blocks = UInt(space.total / unit)
        answer.f_bfree = UInt(space.available / unit)
        answer.f_bavail = UInt(space.available / unit)
        answer.f_namemax = 255
        fuse_reply_statfs(raw, &answer)
        discard self
    }

    /// Adds an entry to a listing; the bytes it takes, which may be more than there are left.
    func add(
        _ entry: FolderEntry, to buffer: Slice<UnsafeMutableRawBufferPointer>, position: Int
    ) -> Int {
        var stat = stat()
        stat.st_ino = ino_t(entry.inode)
        stat.st_mode = entry.isFolder ? S_IFDIR : S_IFREG
        let place = UnsafeMutableRawBufferPointer(rebasing: buffer)
        return fuse_add_direntry(
            raw, place.baseAddress?.assumingMemoryBound(to: CChar.self), place.count, entry.name,
            &stat, off_t(position))
    }

    /// Adds an entry with its attributes; nil: those are not known, and are asked for when needed.
    func add(
        _ entry: FolderEntry, _ attributes: Attributes?,
        to buffer: Slice<UnsafeMutableRawBufferPointer>, position: Int
    ) -> Int {
        var parameters = attributes.map { fuse_entry_param($0) } ?? fuse_entry_param()
        parameters.attr.st_ino = ino_t(entry.inode)
        parameters.attr.st_mode |= entry.isFolder ? S_IFDIR : S_IFREG
        let place = UnsafeMutableRawBufferPointer(rebasing: buffer)
        return fuse_add_direntry_plus(
            raw, place.baseAddress?.assumingMemoryBound(to: CChar.self), place.count, entry.name,
            &parameters, off_t(position))
    }
}
