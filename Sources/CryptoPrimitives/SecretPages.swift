import COpenSSL
import Glibc

/// Locked memory (never swapped) that is left out of core dumps and reads as zeros in a forked
/// child.
enum SecretPages {
    /// From <linux/mman.h>, which Glibc's module does not carry.
    private static let dontDump: Int32 = 16
    private static let wipeOnFork: Int32 = 18

    static var pageSize: Int { Int(sysconf(Int32(_SC_PAGESIZE))) }

    /// Maps `length` bytes, whole pages, and locks them. Throws `.lockedMemory`.
    static func map(_ length: Int) throws(CryptoError) -> UnsafeMutableRawBufferPointer {
        let protection = PROT_READ | PROT_WRITE
        guard
            let start = mmap(nil, length, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            start != MAP_FAILED
        else {
            throw refused("map", length)
        }
        guard mlock(start, length) == 0, madvise(start, length, dontDump) == 0 else {
            let error = refused("lock", length)
            munmap(start, length)
            throw error
        }
        // Kernels before 4.14 do not know it; the program forks only to exec, so it is a second
        // line of defence and may be refused.
        _ = madvise(start, length, wipeOnFork)
        return UnsafeMutableRawBufferPointer(start: start, count: length)
    }

    /// Wipes and unmaps what `map` gave.
    static func unmap(_ mapping: UnsafeMutableRawBufferPointer) {
        OPENSSL_cleanse(mapping.baseAddress, mapping.count)
        munmap(mapping.baseAddress, mapping.count)
    }

    private static func refused(_ what: String, _ length: Int) -> CryptoError {
        let cause = String(cString: strerror(errno))
        var limit = rlimit()
        let isKnown = getrlimit(Int32(__RLIMIT_MEMLOCK.rawValue), &limit) == 0
        let bound =
            isKnown && limit.rlim_cur != rlim_t.max ? "\(limit.rlim_cur) bytes" : "no bound"
        return CryptoError(
            .lockedMemory,
            "cannot \(what) \(length) bytes of memory for a key: \(cause); the limit of locked"
                + " memory (RLIMIT_MEMLOCK) is \(bound); raise it (ulimit -l, LimitMEMLOCK= in a"
                + " unit)")
    }
}
