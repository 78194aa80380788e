import Foundation
import Synchronization
import Testing

/// Writes with numbers in them, one after the other: write n fills block n % blocks with n. What a
/// disk holds then tells up to which write it got, and whether it is exactly that far.
final class SequencedLoad: Sendable {
    private static let blockSize = 4096
    private let blocks: Int
    private let count = Atomic(0)
    private let isStopping = Atomic(false)
    private let isFlushed: Bool
    private let failure = Atomic<Int32>(0)

    /// With `isFlushed` each write counts as answered when it was flushed.
    init(blocks: Int, isFlushed: Bool = false) {
        self.blocks = blocks
        self.isFlushed = isFlushed
    }

    /// Why it ended by itself; 0 while it has not.
    var errno: Int32 { failure.load(ordering: .acquiring) }

    /// Writes that were answered.
    var acknowledged: Int { count.load(ordering: .acquiring) }

    func stop() { isStopping.store(true, ordering: .relaxed) }

    // @unchecked: the file is set before the thread starts, and used by it alone.
    final class Writer: @unchecked Sendable {
        let file: OpenedFile
        private let done = DispatchSemaphore(value: 0)
        init(_ file: OpenedFile) { self.file = file }
        private let hasEnded = Atomic(false)
        var isRunning: Bool { !hasEnded.load(ordering: .acquiring) }
        func end() {
            hasEnded.store(true, ordering: .releasing)
            done.signal()
        }
        func join() { done.wait() }
    }

    /// Writes until it is stopped, or the mount dies under it.
    func start(on file: OpenedFile) -> Writer {
        let writer = Writer(file)
        Thread.detachNewThread { [self] in
            var number = 0
            while !isStopping.load(ordering: .relaxed) {
                number += 1
                let block = [UInt64](
                    repeating: UInt64(number), count: Self.blockSize / MemoryLayout<UInt64>.size)
                let bytes = block.withUnsafeBytes { Array($0) }
                let place = number % blocks * Self.blockSize
                do {
                    guard try writer.file.write(bytes, at: place) == bytes.count else { break }
                    if isFlushed { try writer.file.synchronize() }
                } catch {
                    failure.store((error as? OpenedFile.Failure)?.errno ?? -1, ordering: .releasing)
                    break
                }
                count.store(number, ordering: .releasing)
                if !isFlushed, number.isMultiple(of: 500) { try? writer.file.synchronize() }
            }
            writer.end()
        }
        return writer
    }

    /// Waits until so many writes are acknowledged; throws if the writer ends before.
    func waitFor(_ count: Int, by writer: Writer) throws {
        while acknowledged < count {
            try #require(writer.isRunning, "the load ended after \(acknowledged) writes")
            usleep(1000)
        }
    }

    /// Checks that a file holds the writes up to some number, no later one, none torn; and that the
    /// number is `atLeast` or more.
    func check(_ file: OpenedFile, atLeast: Int) throws {
        let bytes = try file.read(at: 0, count: blocks * Self.blockSize)
        var numbers: [Int] = []
        for block in 0..<blocks {
            let words = bytes[(block * Self.blockSize)..<((block + 1) * Self.blockSize)]
                .withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
            try #require(Set(words).count == 1, "block \(block) is torn")
            numbers.append(Int(words[0]))
        }
        let last = numbers.max() ?? 0
        #expect(last >= atLeast)
        for (block, number) in numbers.enumerated() {
            let expected = last - (last - block) % blocks
            // Block 0 is first written by write `blocks`.
            let isWritten = last >= block && expected > 0
            #expect(number == (isWritten ? expected : 0), "block \(block), last \(last)")
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): repeatable from its seed.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
