import ChunkStore
import Glibc

/// What librados returns: 0 or more, or an error number below 0.
extension StoreError {
    init(rados code: Int32, _ operation: String) {
        let number = -code
        let found: Code =
            switch number {
            case ENOENT: .notFound
            case EEXIST: .alreadyExists
            case ENOSPC, EDQUOT: .noSpace
            case EPERM, EACCES: .denied
            case EMFILE, ENFILE: .tooManyFiles
            case ETIMEDOUT: .unanswered
            // What Ceph calls EBLOCKLISTED.
            case ESHUTDOWN: .fenced
            default: .io
            }
        self.init(found, operation: operation, cause: Self.cause(number))
    }

    private static func cause(_ number: Int32) -> String {
        switch number {
        case ETIMEDOUT: return "the cluster did not answer in time"
        case ESHUTDOWN: return "the cluster no longer lets this process in (blocklisted)"
        case EDQUOT: return "the pool's quota is used up"
        case ENOSPC: return "the pool is full"
        case EPERM, EACCES:
            return "the cluster does not allow it: see to the user's key and capabilities"
        default:
            var text = [CChar](repeating: 0, count: 256)
            // glibc's strerror_r, which Swift imports as the POSIX one.
            _ = strerror_r(number, &text, text.count)
            let bytes = text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}

@discardableResult
func check(_ code: Int32, _ operation: @autoclosure () -> String) throws(StoreError) -> Int32 {
    if code < 0 { throw StoreError(rados: code, operation()) }
    return code
}
