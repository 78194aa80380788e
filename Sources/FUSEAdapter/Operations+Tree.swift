import CFUSE
import Glibc
import Namespace

func addTreeOperations(to table: inout fuse_lowlevel_ops) {
    table.lookup = lookup
    table.getattr = getattr
    table.setattr = setattr
    table.access = access
    table.statfs = statfs
    table.opendir = opendir
    table.readdir = readdir
    table.readdirplus = readdirplus
    table.releasedir = releasedir
}

/// Making, removing and renaming files is refused with the reason's errno; reads of links and the
/// like cannot come, there are none.
func addRefusals(to table: inout fuse_lowlevel_ops) {
    table.mknod = { raw, folder, _, _, _ in refuse(raw, folder) }
    table.mkdir = { raw, folder, _, _ in refuse(raw, folder) }
    table.unlink = { raw, folder, _ in refuse(raw, folder) }
    table.rmdir = { raw, folder, _ in refuse(raw, folder) }
    table.symlink = { raw, _, folder, _ in refuse(raw, folder) }
    table.rename = { raw, folder, _, _, _, _ in refuse(raw, folder) }
    table.link = { raw, _, folder, _ in refuse(raw, folder) }
    table.create = { raw, folder, _, _, _ in refuse(raw, folder) }
}

private func refuse(_ raw: fuse_req_t?, _ folder: fuse_ino_t) {
    guard let raw else { return }
    let request = Request(raw)
    let refusal = request.adapter.tree.refusal(ofChangeIn: folder)
    request.fail(refusal)
}

private func lookup(raw: fuse_req_t?, parent: fuse_ino_t, name: UnsafePointer<CChar>?) {
    guard let raw, let name else { return }
    let request = Request(raw)
    do throws(FileError) {
        let found = try request.adapter.tree.lookup(String(cString: name), in: parent)
        request.reply(entry: found)
    } catch {
        request.fail(error)
    }
}

private func getattr(
    raw: fuse_req_t?, inode: fuse_ino_t, info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw else { return }
    let request = Request(raw)
    do throws(FileError) {
        let attributes = try request.adapter.tree.attributes(of: inode)
        request.reply(attributes: attributes)
    } catch {
        request.fail(error)
    }
}

private func setattr(
    raw: fuse_req_t?, inode: fuse_ino_t, values: UnsafeMutablePointer<stat>?, mask: Int32,
    info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let values else { return }
    let request = Request(raw)
    do throws(FileError) {
        var change = AttributeChange(values.pointee, mask: mask)
        change.isThroughHandle = info != nil
        let attributes = try request.adapter.tree.change(inode, change, caller: request.caller)
        request.reply(attributes: attributes)
    } catch {
        request.fail(error)
    }
}

private func access(raw: fuse_req_t?, inode: fuse_ino_t, mask: Int32) {
    guard let raw else { return }
    let request = Request(raw)
    let mode = OpenMode(reads: mask & R_OK != 0, writes: mask & W_OK != 0, truncates: false)
    do throws(FileError) {
        try request.adapter.tree.checkAccess(inode, mode, caller: request.caller)
        request.succeed()
    } catch {
        request.fail(error)
    }
}

private func statfs(raw: fuse_req_t?, inode: fuse_ino_t) {
    guard let raw else { return }
    let request = Request(raw)
    do throws(FileError) {
        let space = try request.adapter.tree.capacity()
        request.reply(space: space)
    } catch {
        request.fail(error)
    }
}

private func opendir(
    raw: fuse_req_t?, inode: fuse_ino_t, info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    do throws(FileError) {
        let adapter = request.adapter
        guard let number = adapter.folders.add(try adapter.tree.list(inode)) else {
            return request.fail(ENFILE)
        }
        info.pointee.fh = number
        if !request.reply(open: info) { adapter.folders.release(number) }
    } catch {
        request.fail(error)
    }
}

private func readdir(
    raw: fuse_req_t?, inode: fuse_ino_t, size: Int, offset: off_t,
    info: UnsafeMutablePointer<fuse_file_info>?
) {
    fillListing(raw, size, offset, info) { request, entry, buffer, position in
        request.add(entry, to: buffer, position: position)
    }
}

private func readdirplus(
    raw: fuse_req_t?, inode: fuse_ino_t, size: Int, offset: off_t,
    info: UnsafeMutablePointer<fuse_file_info>?
) {
    fillListing(raw, size, offset, info) { request, entry, buffer, position in
        // "." and ".." must not count as lookups, so they come without attributes; so does what
        // has gone since the folder was opened.
        let isSelf = entry.name == "." || entry.name == ".."
        let attributes = isSelf ? nil : try? request.adapter.tree.attributes(of: entry.inode)
        return request.add(entry, attributes, to: buffer, position: position)
    }
}

/// Fills a listing from the entry at `offset` on; the position of an entry is its index + 1.
private func fillListing(
    _ raw: fuse_req_t?, _ size: Int, _ offset: off_t,
    _ info: UnsafeMutablePointer<fuse_file_info>?,
    add: (
        borrowing Request, FolderEntry, Slice<UnsafeMutableRawBufferPointer>, _ position: Int
    ) -> Int
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    let entries = request.adapter.folders.content(info.pointee.fh)
    let buffer = ThreadBuffers.current.reply.prefix(size)
    var used = 0
    for index in entries.indices.dropFirst(Int(offset)) {
        let needed = add(request, entries[index], buffer.dropFirst(used), index + 1)
        guard used + needed <= buffer.count else { break }
        used += needed
    }
    request.reply(bytes: .init(rebasing: buffer.prefix(used)))
}

private func releasedir(
    raw: fuse_req_t?, inode: fuse_ino_t, info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    request.adapter.folders.release(info.pointee.fh)
    request.succeed()
}
