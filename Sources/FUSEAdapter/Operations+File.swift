import CFUSE
import Glibc
import Namespace

func addFileOperations(to table: inout fuse_lowlevel_ops) {
    table.open = open
    table.read = read
    table.write = write
    table.flush = flush
    table.fsync = fsync
    table.fallocate = fallocate
    table.lseek = lseek
    table.release = release
}

private func open(
    raw: fuse_req_t?, inode: fuse_ino_t, info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    let flags = info.pointee.flags
    let mode = OpenMode(
        reads: flags & O_ACCMODE != O_WRONLY, writes: flags & O_ACCMODE != O_RDONLY,
        truncates: flags & O_TRUNC != 0)
    do throws(FileError) {
        let (file, caching) = try request.adapter.tree.open(inode, mode, caller: request.caller)
        guard let number = request.adapter.files.add(file) else { return request.fail(ENFILE) }
        info.pointee.fh = number
        switch caching {
        case .kept: info.pointee.keep_cache = 1
        case .none: info.pointee.direct_io = 1
        case .stream:
            info.pointee.direct_io = 1
            info.pointee.nonseekable = 1
        }
        info.pointee.noflush = file.isFlushed ? 0 : 1
        let adapter = request.adapter
        if !request.reply(open: info) { adapter.files.release(number) }
    } catch {
        request.fail(error)
    }
}

private func read(
    raw: fuse_req_t?, inode: fuse_ino_t, size: Int, offset: off_t,
    info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    let buffer = ThreadBuffers.current.reply
    // The kernel keeps to the limit it was given; a shortened reply would read as the end.
    guard size <= buffer.count, offset >= 0 else { return request.fail(EINVAL) }
    do throws(FileError) {
        let place = UnsafeMutableRawBufferPointer(rebasing: buffer[..<size])
        let file = request.file(info)
        let count = try file.read(into: place, at: UInt64(offset))
        guard let delay = file.delay(ofRead: count) else {
            return request.reply(bytes: .init(rebasing: place[..<count]))
        }
        hold(request, UnsafeRawBufferPointer(rebasing: place[..<count]), back: delay)
    } catch {
        request.fail(error)
    }
}

private func write(
    raw: fuse_req_t?, inode: fuse_ino_t, bytes: UnsafePointer<CChar>?, size: Int, offset: off_t,
    info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    guard size <= ThreadBuffers.payloadLimit, offset >= 0 else { return request.fail(EINVAL) }
    // `bytes` is libfuse's buffer, which has the headers alone: see `DeviceIO`.
    let payload = ThreadBuffers.current.payload(size)
    let file = request.file(info)
    switch file {
    case .control(let conversation):
        return hand(over: request, Array(payload)) { conversation.submit($0, answer: $1) }
    case .intake(let conversation):
        return hand(over: request, Array(payload)) { conversation.submit($0, answer: $1) }
    default: break
    }
    do throws(FileError) {
        let write = try file.submit(payload, at: UInt64(offset))
        guard let whenDone = write.whenDone else { return request.reply(written: write.count) }
        park(request, until: whenDone)
    } catch {
        request.fail(error)
    }
}

/// Has a read answered when its time has come: the thread takes the next request meanwhile.
private func hold(
    _ request: consuming Request, _ bytes: UnsafeRawBufferPointer, back delay: AnswerDelay
) {
    let parked = ParkedRequest(request)
    let copy = [UInt8](bytes)
    delay.run {
        copy.withUnsafeBytes { bytes in parked.answer { $0.reply(bytes: bytes) } }
    }
}

private typealias Answer = SubmittedWrite.Answer

/// Has the request answered by whoever knows the outcome.
private func park(
    _ request: consuming Request, until whenDone: (@escaping Answer) -> Void
) {
    let parked = ParkedRequest(request)
    whenDone { result in
        parked.answer { request in
            switch result {
            case .success(let count): request.reply(written: count)
            case .failure(let error): request.fail(error)
            }
        }
    }
}

/// A write that another thread will answer. The caller is checked at every one, not only when it
/// opened the file: a handle may have been inherited or passed on.
private func hand(
    over request: consuming Request, _ bytes: [UInt8],
    to submit: ([UInt8], @escaping Answer) -> Void
) {
    do throws(FileError) {
        try request.adapter.tree.checkControl(request.caller)
    } catch {
        return request.fail(error)
    }
    park(request) { submit(bytes, $0) }
}

private func flush(
    raw: fuse_req_t?, inode: fuse_ino_t, info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    do throws(FileError) {
        try request.file(info).flush()
        request.succeed()
    } catch {
        request.fail(error)
    }
}

private func fsync(
    raw: fuse_req_t?, inode: fuse_ino_t, dataOnly: Int32,
    info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    do throws(FileError) {
        try request.file(info).synchronize()
        request.succeed()
    } catch {
        request.fail(error)
    }
}

private func fallocate(
    raw: fuse_req_t?, inode: fuse_ino_t, mode: Int32, offset: off_t, length: off_t,
    info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    let keepsSize = mode & Int32(SEALDISK_FALLOC_KEEP_SIZE) != 0
    let change: SpaceChange
    switch mode & ~Int32(SEALDISK_FALLOC_KEEP_SIZE) {
    case Int32(SEALDISK_FALLOC_PUNCH_HOLE): change = .punch
    case Int32(SEALDISK_FALLOC_ZERO_RANGE): change = .zero(keepsSize: keepsSize)
    default: return request.fail(EOPNOTSUPP)
    }
    guard offset >= 0, length > 0 else { return request.fail(EINVAL) }
    do throws(FileError) {
        try request.file(info)
            .allocate(change, at: UInt64(offset), length: UInt64(length))
        request.succeed()
    } catch {
        request.fail(error)
    }
}

private func lseek(
    raw: fuse_req_t?, inode: fuse_ino_t, offset: off_t, whence: Int32,
    info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    let target: SeekTarget
    switch whence {
    case Int32(SEALDISK_SEEK_DATA): target = .data
    case Int32(SEALDISK_SEEK_HOLE): target = .hole
    default: return request.fail(EINVAL)
    }
    guard offset >= 0 else { return request.fail(ENXIO) }
    do throws(FileError) {
        let position = try request.file(info).seek(target, from: UInt64(offset))
        request.reply(position: position)
    } catch {
        request.fail(error)
    }
}

private func release(
    raw: fuse_req_t?, inode: fuse_ino_t, info: UnsafeMutablePointer<fuse_file_info>?
) {
    guard let raw, let info else { return }
    let request = Request(raw)
    request.adapter.files.release(info.pointee.fh)
    request.succeed()
}
