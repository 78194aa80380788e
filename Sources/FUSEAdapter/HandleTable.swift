import Synchronization

/// Open files or folders by the numbers that the kernel knows them by: small ones, which mean the
/// same in whatever process serves the mount, so that another can take it over.
///
/// Invariants: a number is in the table from before the kernel learns it until its release; the
/// kernel gives back only numbers it was given, and none after their release. So whoever looks one
/// up takes no lock: its slot was written before the kernel handed the number out, and does not
/// change until the kernel has done with it (both directions pass through the kernel's own locks).
///
/// `@unchecked Sendable`: slots are written under `state`'s lock alone, and read as said above.
final class HandleTable<Content: Sendable>: @unchecked Sendable {
    private static var blockSize: Int { 1024 }
    /// A process has no more descriptors than this, by far.
    private static var blockLimit: Int { 4096 }

    private final class Entry: Sendable {
        let content: Content
        init(_ content: Content) { self.content = content }
    }

    private typealias Slot = Unmanaged<Entry>?

    private struct State: Sendable {
        var blocks = 0
        /// Numbers from here on were never given out.
        var next = 0
        var released: [Int] = []
    }

    /// Blocks are made as they are needed, and stay.
    private let blocks: UnsafeMutablePointer<UnsafeMutablePointer<Slot>?>
    private let state = Mutex(State())

    init() {
        blocks = .allocate(capacity: Self.blockLimit)
        blocks.initialize(repeating: nil, count: Self.blockLimit)
    }

    deinit {
        for number in 0..<state.withLock({ $0.next }) {
            slot(number).pointee?.release()
        }
        for block in 0..<Self.blockLimit { blocks[block]?.deallocate() }
        blocks.deallocate()
    }

    /// The number of a new handle; nil if there are as many as there can be.
    func add(_ content: Content) -> UInt64? {
        state.withLock { state in
            guard let number = state.released.popLast() ?? takeNext(&state) else { return nil }
            slot(number).pointee = .passRetained(Entry(content))
            return UInt64(number)
        }
    }

    /// What has this number. Precondition: it is open.
    func content(_ number: UInt64) -> Content {
        // Non-nil: the kernel gives back only numbers that are open.
        slot(Int(number)).pointee!.takeUnretainedValue().content
    }

    /// The last reference to the content may go with it.
    func release(_ number: UInt64) {
        let entry = state.withLock { state in
            let place = slot(Int(number))
            defer { place.pointee = nil }
            state.released.append(Int(number))
            return place.pointee
        }
        entry?.release()
    }

    /// All that are open, by number.
    var all: [(number: UInt64, content: Content)] {
        state.withLock { state in
            (0..<state.next).compactMap { number in
                slot(number).pointee.map { (UInt64(number), $0.takeUnretainedValue().content) }
            }
        }
    }

    /// Puts others in the place of all there are: while nobody serves the kernel.
    func replaceAll(_ contents: [(number: UInt64, content: Content)]) {
        let old = state.withLock { state in
            let old = (0..<state.next).compactMap { number in
                let place = slot(number)
                defer { place.pointee = nil }
                return place.pointee
            }
            let end = contents.map { Int($0.number) + 1 }.max() ?? 0
            while state.next < end, takeNext(&state) != nil {}
            let known = Set(contents.map { Int($0.number) })
            state.released = (0..<state.next).filter { !known.contains($0) }
            for (number, content) in contents where Int(number) < state.next {
                slot(Int(number)).pointee = .passRetained(Entry(content))
            }
            return old
        }
        for entry in old { entry.release() }
    }

    private func takeNext(_ state: inout State) -> Int? {
        if state.next == state.blocks * Self.blockSize {
            guard state.blocks < Self.blockLimit else { return nil }
            let block = UnsafeMutablePointer<Slot>.allocate(capacity: Self.blockSize)
            block.initialize(repeating: nil, count: Self.blockSize)
            blocks[state.blocks] = block
            state.blocks += 1
        }
        defer { state.next += 1 }
        return state.next
    }

    private func slot(_ number: Int) -> UnsafeMutablePointer<Slot> {
        // Non-nil: below `next`, as the callers know, every block is there.
        blocks[number / Self.blockSize]! + number % Self.blockSize
    }
}
