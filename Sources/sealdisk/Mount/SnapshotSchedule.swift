import ControlPlane
import Glibc

/// The thread that carries snapshot policies out for as long as a mount is served.
///
/// It looks every minute, not only when a time point is reached: a clock may be set, a host may
/// have slept, a policy may be new.
enum SnapshotSchedule {
    private static let period: UInt32 = 60

    static func start(_ served: ServedMount) {
        BackgroundThread.start {
            while true {
                for failure in served.plane.runSnapshotPolicies() {
                    Report.line(failure, .error)
                }
                sleep(period)
            }
        }
    }
}
