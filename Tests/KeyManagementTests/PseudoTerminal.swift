import Foundation
import Testing

enum PseudoTerminal {
    /// The two ends of a new pseudo-terminal (pts(4)).
    static func make() throws -> (master: Int32, slave: String) {
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(master >= 0)
        var (number, unlock) = (Int32(0), Int32(0))
        // TIOCGPTN and TIOCSPTLCK of <asm-generic/ioctls.h>.
        try #require(ioctl(master, 0x8004_5430, &number) == 0)
        try #require(ioctl(master, 0x4004_5431, &unlock) == 0)
        return (master, "/dev/pts/\(number)")
    }
}
