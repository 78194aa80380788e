import ControlPlane
import Glibc
import Synchronization

/// Keeps to a rate.
final class Pace: Sendable {
    private let bytesPerSecond: UInt64?
    private let begin = ContinuousClock().now
    private let bytes = Atomic<UInt64>(0)

    /// nil: as fast as it goes.
    init(bytesPerSecond: UInt64?) { self.bytesPerSecond = bytesPerSecond }

    /// What was said as `--rate`, in bytes a second.
    static func rate(_ text: String) throws(Failure) -> UInt64 {
        do {
            return try ByteSize.diskSize(text)
        } catch {
            throw Failure(
                .invalid, "--rate \(text): \(error.description).", advice: "Write for instance 50M."
            )
        }
    }

    /// Waits until so many more may have been read, or the user asks to end.
    func wait(after count: UInt64) {
        guard let bytesPerSecond, bytesPerSecond > 0 else { return }
        let all = bytes.wrappingAdd(count, ordering: .relaxed).newValue
        let due = Double(all) / Double(bytesPerSecond)
        while !Interruption.isRequested {
            let rest = due - (ContinuousClock().now - begin) / .seconds(1)
            guard rest > 0 else { return }
            // In parts: the signal may come to another thread, and not end the wait.
            usleep(UInt32(min(rest, 0.2) * 1e6))
        }
    }
}
