import DiskFormat
import Scheduling

/// A frame of a sealed snapshot as it stands in the file.
final class SealedFrame: @unchecked Sendable {
    // @unchecked: who makes it fills it before anybody else has it; then it never changes.
    let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) {
        bytes = .allocate(byteCount: count, alignment: 4096)
    }

    deinit { bytes.deallocate() }
}

/// The frames that were asked for last, and those being made at this moment: a frame is read in
/// pieces, often by several threads at once, and must not be sealed for each.
final class FrameCache: @unchecked Sendable {
    // @unchecked: `slots`, and the results in them, are accessed under `monitor`.
    private static let frames = 2

    private final class Slot {
        let number: FrameNumber
        /// nil while it is being made.
        var result: Result<SealedFrame, any Error>?
        init(_ number: FrameNumber) { self.number = number }
    }

    private let monitor: Monitor
    /// In the order in which they were asked for last.
    private var slots: [Slot] = []

    init(threads: any Threads) { monitor = threads.makeMonitor() }

    /// The frame; made by `make`, without a lock, if it is not here. While one thread makes it the
    /// others that want it wait, and hear the same error if it fails. The next call tries again.
    func frame(_ number: FrameNumber, _ make: () throws -> SealedFrame) throws -> SealedFrame {
        let (slot, isMine) = monitor.withLock { find(number) }
        guard isMine else {
            return try monitor.withLock {
                while true {
                    if let result = slot.result { return result }
                    monitor.wait()
                }
            }.get()
        }
        let result = Result { try make() }
        monitor.withLock {
            slot.result = result
            if case .failure = result { slots.removeAll { $0 === slot } }
            trim()
            monitor.announce()
        }
        return try result.get()
    }

    private func find(_ number: FrameNumber) -> (Slot, isMine: Bool) {
        let index = slots.firstIndex { $0.number == number }
        let slot = index.map { slots.remove(at: $0) } ?? Slot(number)
        slots.append(slot)
        trim()
        return (slot, isMine: index == nil)
    }

    /// Forgets the oldest, but none that is being made.
    private func trim() {
        var surplus = slots.count - Self.frames
        slots.removeAll { slot in
            guard surplus > 0, slot.result != nil else { return false }
            surplus -= 1
            return true
        }
    }
}
