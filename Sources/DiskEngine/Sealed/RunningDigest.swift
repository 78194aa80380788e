import CryptoPrimitives
import Scheduling

/// The digest of a sealed file, taken along as its frames are made: whoever reads it from beginning
/// to end learns it for everybody.
///
/// Several threads make frames, each its own, so they come nearly in order: a few may wait for one
/// before them. Who jumps about learns nothing.
final class RunningDigest: @unchecked Sendable {
    // @unchecked: all that changes is accessed under `monitor`.
    private static let mostWaiting = 4

    private let monitor: Monitor
    private let onDigest: @Sendable ([UInt8]) -> Void
    /// nil once it is told, or cannot be.
    private var stream: SHA256.Stream?
    private var next: UInt64 = 0
    private var waiting: [UInt64: (frame: SealedFrame, isLast: Bool)] = [:]

    init(
        _ header: [UInt8], threads: any Threads, _ onDigest: @escaping @Sendable ([UInt8]) -> Void
    ) throws {
        monitor = threads.makeMonitor()
        self.onDigest = onDigest
        let stream = try SHA256.Stream()
        try header.withUnsafeBytes { try stream.add($0) }
        self.stream = stream
    }

    /// A frame was made, for the first time or again.
    func add(_ frame: SealedFrame, _ number: UInt64, isLast: Bool) {
        let digest = monitor.withLock { () -> [UInt8]? in
            guard let stream, number >= next else { return nil }
            waiting[number] = (frame, isLast)
            do {
                while let (frame, isLast) = waiting.removeValue(forKey: next) {
                    try stream.add(UnsafeRawBufferPointer(frame.bytes))
                    next += 1
                    guard isLast else { continue }
                    self.stream = nil
                    return try stream.finish()
                }
            } catch {
                self.stream = nil  // no digest, and nothing else is lost
            }
            if waiting.count > Self.mostWaiting { waiting = [:] }
            return nil
        }
        if let digest { onDigest(digest) }
    }
}
