import Glibc
import Synchronization

/// Who supervises this process: its environment says so, or the process that served the mount
/// before.
struct ServiceManager: Codable, Hashable, Sendable {
    /// Where it takes notices (sd_notify(3)).
    let socket: String
    /// How long it waits for a word, in microseconds; nil: it does not.
    let watchdog: UInt64?

    static var ofEnvironment: ServiceManager? {
        environmentVariable("NOTIFY_SOCKET").map { socket in
            ServiceManager(
                socket: socket,
                watchdog: ServiceWatchdog.limit(
                    ofEnvironment: environmentVariable("WATCHDOG_USEC"),
                    process: environmentVariable("WATCHDOG_PID")))
        }
    }
}

/// What the service manager is told that started this process, if one did: single datagrams to the
/// socket that its environment names (sd_notify(3), of systemd and others).
enum ServiceNotice {
    /// How long the manager is to wait further for the end, and how often it is told, in seconds.
    /// The end itself is bounded (`MountEnd.Patience`).
    private static let patience = 30
    private static let period: UInt32 = 5

    private static let isStopping = Atomic(false)
    private static let known = Mutex<ServiceManager?>(.ofEnvironment)

    static var manager: ServiceManager? { known.withLock { $0 } }

    /// From here on that one is told: it supervised the process that served the mount before.
    static func use(_ manager: ServiceManager) { known.withLock { $0 = manager } }

    /// Nothing, if no manager wants to know. What does not arrive cannot be mended here.
    static func say(_ text: String, to socketPath: String? = manager?.socket) {
        guard let socketPath, var address = address(socketPath) else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(O_CLOEXEC), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        let length = socklen_t(MemoryLayout<sa_family_t>.size + socketPath.utf8.count)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    /// That the mount ends, and again and again that it has not ended yet: what is written is made
    /// durable first, and a manager that lost patience would kill it before that.
    static func tellStopping() {
        guard manager != nil,
            !isStopping.exchange(true, ordering: .relaxed)
        else { return }
        say("STOPPING=1\nSTATUS=Making everything durable")
        BackgroundThread.start {
            while true {
                say("EXTEND_TIMEOUT_USEC=\(patience)000000")
                sleep(period)
            }
        }
    }

    /// A path, or, after an `@`, a name that is in no folder. nil if it does not fit.
    private static func address(_ path: String) -> sockaddr_un? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { place in
            guard !bytes.isEmpty, bytes.count < place.count else { return false }
            place.copyBytes(from: bytes)
            if bytes[0] == UInt8(ascii: "@") { place[0] = 0 }
            return true
        }
        return fits ? address : nil
    }
}

/// Tells the service manager now and then that the mount answers, and does not when it does not:
/// the manager restarts it then (WatchdogSec= of systemd.service(5)).
enum ServiceWatchdog {
    static func start(_ mountPoint: String) {
        guard let limit = ServiceNotice.manager?.watchdog else { return }
        let period = period(of: limit)
        BackgroundThread.start {
            while true {
                // By a process of its own, as anything that is to be done inside the mount.
                let error = Errands().perform(.probe, mountPoint, patience: period)
                if error == 0 { ServiceNotice.say("WATCHDOG=1") }
                usleep(UInt32(period * 1e6))
            }
        }
    }

    /// Seconds between two words: a quarter of what the manager waits, so that one that takes long
    /// is not the end.
    static func period(of limit: UInt64) -> Double { min(Double(limit) / 4e6, 600) }

    /// How long the manager waits, in microseconds. nil if it waits for none, or for those of
    /// another process.
    static func limit(ofEnvironment time: String?, process: String?) -> UInt64? {
        guard let time, let microseconds = UInt64(time), microseconds > 0,
            process == nil || process == "\(getpid())"
        else { return nil }
        return microseconds
    }
}
