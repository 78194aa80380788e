import CLinuxFile
import ChunkStore
import Glibc
import Synchronization

/// A file under a name of its own, until it is complete and takes the name it is meant for.
struct Temporary: ~Copyable {
    /// Begins the name of every one.
    static let prefix = ".new-"
    /// Tells those of this process apart.
    private static let last = Atomic<UInt64>(0)

    let name: String
    let file: Descriptor

    /// Makes one with a name that nothing else has, not even what an earlier process left behind.
    init(in folder: borrowing Descriptor, _ operation: String) throws(StoreError) {
        while true {
            let number = Self.last.add(1, ordering: .relaxed).newValue
            let name = "\(Self.prefix)\(getpid())-\(number)"
            do throws(StoreError) {
                file = try Descriptor(
                    opening: name, in: folder, flags: O_RDWR | O_CREAT | O_EXCL, mode: 0o600,
                    operation)
                self.name = name
                return
            } catch {
                if error.code != .alreadyExists { throw error }
            }
        }
    }

    private init(name: String, file: consuming Descriptor) {
        self.name = name
        self.file = file
    }

    /// Takes a file that has a name, `leaf` in `source`, under one that nothing else has in
    /// `folder`. Throws by errno, with nothing changed.
    static func taking(
        _ leaf: String, of file: consuming Descriptor, in source: borrowing Descriptor,
        to folder: borrowing Descriptor, _ operation: String
    ) throws(StoreError) -> Temporary {
        // The name is made so that it is this file's alone, and then given to the other.
        let name = try Temporary(in: folder, operation).name
        let (host, from, to) = (folder.host, source.number, folder.number)
        if retrying({ host.renameat(from, leaf, to, name) }) != 0 {
            let code = errno
            folder.discard(name)
            throw StoreError(errno: code, operation)
        }
        return Temporary(name: name, file: file)
    }

    /// Takes `leaf` as its name if nothing has it. Throws `.alreadyExists`, or by errno.
    func takeName(
        _ leaf: String, in folder: borrowing Descriptor, _ operation: String
    ) throws(StoreError) {
        let (host, name, folder) = (folder.host, name, folder.number)
        if retrying({ host.renameNew(folder, name, folder, leaf) }) == 0 { return }
        guard errno == EINVAL else { throw StoreError(errno: errno, operation) }
        // A file system that knows no such flag. The store is this process's alone, and a name is
        // asked for once, so looking first is as good.
        var status = stat()
        guard host.fstatat(folder, leaf, &status) != 0, errno == ENOENT else {
            throw StoreError(errno: EEXIST, operation)
        }
        try check(host.renameat(folder, name, folder, leaf), operation)
    }

    consuming func intoFile() -> Descriptor { file }
}
