import CLinuxFile
import Glibc

extension SimulatedHost {
    func pread(_ file: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ offset: off_t) -> Int {
        if let failure = begin(.read, "\(file) at \(offset), \(buffer.count)") {
            return Int(failed(failure.code))
        }
        guard let node = node(file), let found = files[node] else { return Int(failed(EBADF)) }
        let bytes = found.read(Int(offset)..<Int(offset) + buffer.count)
        buffer.copyBytes(from: bytes)
        return endOfCall() == 0 ? bytes.count : -1
    }

    func preadNoWait(
        _ file: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ offset: off_t
    ) -> Int {
        // Memory has it, or not.
        if generator.chance(20) { return Int(failed(EAGAIN)) }
        return pread(file, buffer, offset)
    }

    func pwrite(_ file: Int32, _ buffer: UnsafeRawBufferPointer, _ offset: off_t) -> Int {
        let failure = begin(.write, "\(file) at \(offset), \(buffer.count)")
        if let failure, failure.effect == .none || isDown { return Int(failed(failure.code)) }
        guard let node = node(file), let found = files[node] else { return Int(failed(EBADF)) }
        var part = buffer
        if failure != nil { part = .init(rebasing: buffer[..<(buffer.count / 2)]) }
        let range = Int(offset)..<Int(offset) + part.count
        guard found.holes(in: range) + usedPages <= capacity else { return Int(failed(ENOSPC)) }
        files[node]?.write(part, at: Int(offset), time: time)
        if let file = files[node] { seals.note(range) { file.read($0) } }
        if let failure, failure.effect == .half { return Int(failed(failure.code)) }
        return endOfCall() == 0 ? part.count : -1
    }

    func fsync(_ file: Int32) -> Int32 {
        if let failure = begin(.sync, "\(file)") {
            if let node = node(file), !isDown {
                files[node]?.failToSynchronize(&generator)
            }
            return failed(failure.code)
        }
        // Before it has done its work, not after: then it would have been in vain.
        if endOfCall() != 0 { return -1 }
        guard let node = node(file) else { return failed(EBADF) }
        if folders.contains(node) {
            names.synchronize(node)
            for file in Array(files.keys) { collect(file) }
        } else {
            files[node]?.synchronize()
        }
        return 0
    }

    func fdatasync(_ file: Int32) -> Int32 { fsync(file) }

    func fadvise(_ file: Int32, _ offset: off_t, _ length: off_t, _ advice: Int32) -> Int32 {
        if isDown { return EIO }
        if advice == POSIX_FADV_DONTNEED, let node = node(file) { files[node]?.dropClean() }
        return 0
    }

    func fallocate(_ file: Int32, _ mode: Int32, _ offset: off_t, _ length: off_t) -> Int32 {
        let range = Int(offset)..<Int(offset + length)
        let isPunch = mode & Int32(SEALDISK_FALLOC_PUNCH_HOLE) != 0
        if let failure = begin(isPunch ? .punch : .allocate, "\(file) at \(range)") {
            return failed(failure.code)
        }
        guard let node = node(file), let found = files[node] else { return failed(EBADF) }
        if isPunch {
            files[node]?.punch(range, time: time)
        } else {
            guard found.holes(in: range) + usedPages <= capacity else { return failed(ENOSPC) }
            files[node]?.allocate(range, time: time)
        }
        return endOfCall()
    }

    func ftruncate(_ file: Int32, _ length: off_t) -> Int32 {
        if let failure = begin(.truncate, "\(file) to \(length)") { return failed(failure.code) }
        guard let node = node(file) else { return failed(EBADF) }
        files[node]?.resize(to: Int(length), time: time)
        return endOfCall()
    }

    func firstHole(_ file: Int32) -> off_t {
        guard !isDown, let node = node(file), let found = files[node] else {
            return off_t(failed(EBADF))
        }
        return found.hasHole ? 0 : off_t(found.length)
    }

    func lock(_ file: Int32, _ operation: Int32) -> Int32 {
        if let failure = begin(.lock, "\(file)") { return failed(failure.code) }
        guard let node = node(file) else { return failed(EBADF) }
        if operation & LOCK_UN != 0 {
            locks.remove(node)
        } else if !locks.insert(node).inserted {
            return failed(EWOULDBLOCK)
        }
        return endOfCall()
    }

    func fstat(_ file: Int32, _ status: inout stat) -> Int32 {
        if let failure = begin(.stat, "\(file)") { return failed(failure.code) }
        guard let node = node(file) else { return failed(EBADF) }
        fill(&status, node)
        return endOfCall()
    }

    func fstatvfs(_ file: Int32, _ status: inout statvfs) -> Int32 {
        if let failure = begin(.space, "") { return failed(failure.code) }
        status.f_frsize = 4096
        status.f_blocks = UInt(capacity)
        status.f_bavail = UInt(max(0, capacity - usedPages))
        return endOfCall()
    }

    func fill(_ status: inout stat, _ node: Node) {
        status.st_mode = folders.contains(node) ? S_IFDIR | 0o700 : S_IFREG | 0o600
        status.st_nlink = 1
        status.st_uid = geteuid()
        status.st_ino = UInt(node)
        status.st_size = files[node]?.length ?? 0
        status.st_blocks = (files[node]?.allocatedPages ?? 0) * 8
    }
}
