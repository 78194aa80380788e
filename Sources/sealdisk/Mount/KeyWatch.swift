import ControlPlane
import Glibc
import KeyManagement

/// The thread that looks whether the CMK may still be used, where the mount is told to act upon it
/// (`key_policy=fence`).
enum KeyWatch {
    static func start(_ served: ServedMount, every seconds: UInt32) {
        BackgroundThread.start {
            while true {
                sleep(seconds)
                guard let reason = reasonToFence(served.keys.metered.backend) else { continue }
                for line in served.plane.fenceEncryptedDisks(because: reason) { Report.line(line) }
            }
        }
    }

    /// nil if the CMK may be used, and if nobody knows: a service that is not reached, or does not
    /// know us any more, has not disabled it. Not metered, and no use.
    static func reasonToFence(_ service: any KeyBackend) -> String? {
        let key: KeyDescription?
        do throws(KeyError) {
            key = try service.describe()
        } catch {
            return error.code == .disabled ? error.message : nil
        }
        guard let key else { return nil }
        switch key.state {
        case .enabled: return nil
        case .disabled: return "customer master key \(key.keyID) is disabled"
        case .pendingDeletion(let time):
            return "customer master key \(key.keyID) waits to be deleted (\(time))"
        }
    }
}
