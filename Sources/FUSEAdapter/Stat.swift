import CFUSE
import Glibc
import Namespace

extension stat {
    init(_ attributes: Attributes) {
        self.init()
        st_ino = ino_t(attributes.inode)
        st_mode = attributes.mode | (attributes.isFolder ? S_IFDIR : S_IFREG)
        st_nlink = attributes.isFolder ? 2 : 1
        st_uid = attributes.owner
        st_gid = attributes.group
        st_size = off_t(attributes.size)
        st_blksize = blksize_t(Attributes.preferredBlockSize)
        st_blocks = blkcnt_t(attributes.storedBytes / 512)
        let time = timespec(nanoseconds: attributes.modified)
        st_atim = time
        st_mtim = time
        st_ctim = time
    }
}

extension timespec {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    init(nanoseconds: Int64) {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        self.init(tv_sec: Int(seconds), tv_nsec: Int(rest))
    }

    var nanoseconds: Int64 { Int64(tv_sec) &* 1_000_000_000 &+ Int64(tv_nsec) }
}

extension fuse_entry_param {
    /// Generation 1 for ever: inode numbers are never used again.
    init(_ attributes: Attributes) {
        self.init()
        ino = attributes.ownInode ?? attributes.inode
        generation = 1
        attr = stat(attributes)
        attr_timeout = attributes.validity
        entry_timeout = attributes.nameValidity
    }
}

extension AttributeChange {
    /// `mask`: the FUSE_SET_ATTR bits that say which fields of `values` count.
    init(_ values: stat, mask: Int32) {
        self.init()
        if mask & FUSE_SET_ATTR_MODE != 0 { mode = values.st_mode }
        if mask & FUSE_SET_ATTR_UID != 0 { owner = values.st_uid }
        if mask & FUSE_SET_ATTR_GID != 0 { group = values.st_gid }
        if mask & FUSE_SET_ATTR_SIZE != 0 { size = UInt64(max(0, values.st_size)) }
        if mask & FUSE_SET_ATTR_MTIME_NOW != 0 {
            modified = .now
        } else if mask & FUSE_SET_ATTR_MTIME != 0 {
            modified = .at(values.st_mtim.nanoseconds)
        }
    }
}
