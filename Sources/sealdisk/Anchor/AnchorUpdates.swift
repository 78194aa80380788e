import DiskEngine
import Glibc

/// The thread that has the anchor follow what was flushed, once a second, while a store is mounted.
enum AnchorUpdates {
    /// Lives until the process ends; a store that was closed has nothing more to record.
    static func start(for served: ServedMount) {
        guard served.parts.opened.store.freshnessStatus.kind != .unanchored else { return }
        BackgroundThread.start {
            var told: String?
            while true {
                sleep(1)
                do {
                    try served.parts.opened.store.recordFreshness()
                    told = nil
                } catch {
                    // It is tried again; said once, for the log.
                    if told != "\(error)" { Report.line("\(error)", .error) }
                    told = "\(error)"
                }
            }
        }
    }
}
