import ControlPlane
import Glibc

/// The thread that shows what other hosts do in a store that is shared.
enum SharedStoreWatch {
    /// Seconds between two looks: each is a listing of the store's records.
    private static let period: UInt32 = 10

    /// Lives until the process ends.
    static func start(_ served: ServedMount) {
        BackgroundThread.start {
            var told: String?
            while true {
                sleep(period)
                let failure = served.plane.refresh()
                // It is tried again; said once, for the log.
                if let failure, failure != told { Report.line(failure, .warning) }
                told = failure
            }
        }
    }
}
