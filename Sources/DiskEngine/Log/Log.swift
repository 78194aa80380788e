import DequeModule
import DiskFormat

/// A chunk that a session appends to.
final class LogChunk {
    let number: ChunkNumber
    let file: SealedChunkFile
    let cipher: ChunkCipher
    /// Taken from the space reserve: no data until the reserve is whole again.
    var isFromReserve: Bool
    /// Log position of slot 0; set when the chunk becomes the active one.
    var start: UInt64 = 0
    var nextSlot: UInt32 = 0
    /// Slots known durable: the mark that descriptors carry.
    var durableSlots: UInt32 = 0
    /// Slots whose place on the medium was written before: making them durable needs nothing but
    /// their own bytes. Of a recycled chunk all of them.
    var preparedSlots: UInt32

    init(
        number: ChunkNumber, file: SealedChunkFile, cipher: ChunkCipher, isFromReserve: Bool,
        isRecycled: Bool
    ) {
        self.number = number
        self.file = file
        self.cipher = cipher
        self.isFromReserve = isFromReserve
        preparedSlots = isRecycled ? file.layout.slotCount : 0
    }

    var slotCount: UInt32 { file.layout.slotCount }
    var isFull: Bool { nextSlot == slotCount }
    var end: UInt64 { start + UInt64(nextSlot) }
    var position: LogPosition { LogPosition(chunk: number, slot: nextSlot) }
}

/// Consecutive slots that one operation will fill.
struct Reservation {
    fileprivate let id: UInt64
    let chunk: LogChunk
    let firstSlot: UInt32
    let count: Int
    /// Log position just behind the last slot.
    let end: UInt64
    let durableSlots: UInt32

    func address(_ index: Int) -> BlockAddress {
        BlockAddress(chunk: chunk.number, slot: firstSlot + UInt32(index))
    }
}

/// Tells the author of a write that it is acknowledged, or why the session is over instead.
typealias Acknowledgement = @Sendable (DiskError?) -> Void

/// The end of a disk's log in memory. Positions count slots from the session's beginning on, over
/// all its chunks. Guarded by the disk's monitor.
///
/// Invariants:
/// - `durableTo <= writtenTo <= reservedTo`.
/// - Every slot below `writtenTo` is written and its change is published in the map.
/// - Every slot below `durableTo` survives power loss: an fdatasync of its chunk that began after
///   it was written has returned.
/// - A slot is reserved once.
final class Log {
    /// The session, once its record is durable in the lineage's manifest.
    var session: LineageManifest.Session?
    var isOpeningSession = false
    var active: LogChunk?
    /// Prepared ahead: created, preallocated, header written, all of it durable.
    var next: LogChunk?
    /// Full chunks that are not known durable yet, oldest first.
    var closed: [LogChunk] = []
    var nextSequence: UInt32 = 0

    private(set) var reservedTo: UInt64 = 0
    private(set) var writtenTo: UInt64 = 0
    private(set) var durableTo: UInt64 = 0
    /// The newest place known durable, for chunk headers; nil before the session's first flush.
    private(set) var durablePosition: LogPosition?
    /// The lowest position that somebody waits for `writtenTo` to reach.
    private var awaited = UInt64.max
    /// Who is told, as soon as every slot below a position is written; and those whose turn it is.
    private var waiting: [(position: UInt64, tell: Acknowledgement)] = []
    private var due: [Acknowledgement] = []
    private struct InFlight {
        let end: UInt64
        var isDone = false
    }
    private var inFlight: Deque<InFlight> = []
    private var firstInFlight: UInt64 = 0

    /// While a checkpoint takes its cut, nothing is reserved.
    var isPaused = false
    /// Slots are being prepared, from the next one on: nothing is reserved meanwhile.
    var isPreparing = false
    /// Flushes in a row that had little to make durable.
    var smallFlushes = 0
    /// An fdatasync is under way; who needs one waits for it first.
    var isSyncing = false
    /// Why the session is over, if it is.
    var failure: DiskError?
    /// Slots reserved since the last cut, but for the checkpoints' own.
    var changesSinceCut: UInt64 = 0

    var isQuiet: Bool { inFlight.isEmpty }

    /// Reserves up to `count` slots of the active chunk. Precondition: it is there and not full.
    func reserve(upTo count: Int) -> Reservation {
        let chunk = active!  // the caller has seen it
        let taken = min(count, Int(chunk.slotCount - chunk.nextSlot))
        let first = chunk.nextSlot
        chunk.nextSlot += UInt32(taken)
        reservedTo += UInt64(taken)
        inFlight.append(InFlight(end: reservedTo))
        return Reservation(
            id: firstInFlight + UInt64(inFlight.count - 1), chunk: chunk, firstSlot: first,
            count: taken, end: reservedTo, durableSlots: chunk.durableSlots)
    }

    /// Somebody is about to wait until every slot below `position` is written.
    func await(_ position: UInt64) { awaited = min(awaited, position) }

    /// Has `tell` called once every slot below `position` is written. Precondition: not all are.
    func acknowledge(_ position: UInt64, _ tell: @escaping Acknowledgement) {
        waiting.append((position, tell))
    }

    /// Whose turn has come, to be told outside of the lock; or all, as the session is over.
    func takeAcknowledgements(all: Bool = false) -> [Acknowledgement] {
        defer { due = [] }
        guard all else { return due }
        defer { waiting = [] }
        return due + waiting.map(\.tell)
    }

    var hasDue: Bool { !due.isEmpty }

    /// The reservation's slots are written (or voided) and published. True if somebody who waits
    /// may go on; whoever must still wait says so again.
    func complete(_ reservation: Reservation) -> Bool {
        inFlight[Int(reservation.id - firstInFlight)].isDone = true
        while let oldest = inFlight.first, oldest.isDone {
            writtenTo = oldest.end
            inFlight.removeFirst()
            firstInFlight += 1
        }
        if !waiting.isEmpty {
            due += waiting.lazy.filter { [writtenTo] in $0.position <= writtenTo }.map(\.tell)
            waiting.removeAll { [writtenTo] in $0.position <= writtenTo }
        }
        guard writtenTo >= awaited else { return false }
        awaited = .max
        return true
    }

    /// Makes `chunk` the active one. Precondition: there is none, or it is full.
    func activate(_ chunk: LogChunk) {
        if let full = active {
            precondition(full.isFull)  // slots in the middle of the log must not be missing
            if full.end > durableTo { closed.append(full) }
        }
        chunk.start = reservedTo
        active = chunk
    }

    /// Chunks whose slots below `position` are not all known durable.
    func chunks(unsyncedBelow position: UInt64) -> [LogChunk] {
        var chunks = closed.filter { $0.start < position }
        if let active, active.start < position { chunks.append(active) }
        return chunks
    }

    /// An fdatasync of every chunk with slots from `durableTo` to `position` has returned, and all
    /// began after those slots were written.
    func becameDurable(to position: UInt64) {
        guard position > durableTo else { return }
        durableTo = position
        for chunk in chunks(unsyncedBelow: position) {
            chunk.durableSlots = UInt32(min(UInt64(chunk.nextSlot), position - chunk.start))
            durablePosition = LogPosition(chunk: chunk.number, slot: chunk.durableSlots)
        }
        closed.removeAll { $0.end <= position }
    }

    /// Where the next slot goes; nil before the session's first chunk.
    var position: LogPosition? { active?.position }
}
