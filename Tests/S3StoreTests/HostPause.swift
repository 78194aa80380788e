import Glibc

/// Time for another thread to come along.
enum HostPause {
    static func short() { usleep(50_000) }
}
