import ChunkStore

@testable import S3Store

/// A bucket that goes on whatever happens to its clients: calls are refused, answers are lost, and
/// what was sent without an answer may take effect much later, after its sender is gone.
final class SimulatedBucket: @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.

    /// Of so many calls one fails so; 0: none.
    struct Rates {
        var busy: UInt64 = 0
        var unanswered: UInt64 = 0
    }

    private struct Late {
        let due: Int
        let apply: () -> Void
    }

    let objects = MemoryObjects()
    let scheduler: Scheduler
    private var generator: SeededGenerator
    private var late: [Late] = []
    var rates = Rates()
    /// How long what is late is late at most, in the scheduler's nanoseconds.
    let latest: Int
    /// Calls that failed, of all clients.
    private(set) var failedCalls = 0
    private(set) var lateCalls = 0

    init(scheduler: Scheduler, seed: UInt64, latest: Int) {
        self.scheduler = scheduler
        self.latest = latest
        generator = SeededGenerator(seed: seed)
    }

    /// What is in it now, in a bucket of its own to which nothing happens.
    func copy() -> SimulatedBucket {
        let other = SimulatedBucket(scheduler: scheduler, seed: generator.next(), latest: latest)
        guard let listing = try? objects.list("", isDeep: true) else { return other }
        for object in listing.objects {
            var bytes = [UInt8](repeating: 0, count: Int(object.size))
            _ = try? bytes.withUnsafeMutableBytes {
                try objects.get(object.key, from: 0, into: $0)
            }
            _ = try? bytes.withUnsafeBytes {
                try other.objects.put(object.key, $0, if: .always)
            }
        }
        return other
    }

    fileprivate func arrive() {
        let now = scheduler.nanoseconds
        for call in late where call.due <= now { call.apply() }
        late.removeAll { $0.due <= now }
    }

    /// From now on it is on its way, and its sender hears nothing of it.
    fileprivate func delay(_ call: String, _ apply: @escaping () -> Void) {
        let span = generator.magnitude(in: 1..<1000)
        scheduler.note("  \(call) will arrive late")
        lateCalls += 1
        late.append(
            Late(due: scheduler.nanoseconds + latest / 1000 * span) { [scheduler] in
                scheduler.note("  arrives late: \(call)")
                apply()
            })
    }

    fileprivate enum Fate { case done, busy, lostBefore, lostAfter, late }

    /// A client asks again where nothing was to change, so that such calls fail rarely.
    fileprivate func fate(changing: Bool) -> Fate {
        let rarely: UInt64 = changing ? 1 : 10
        if rates.busy > 0, generator.next() % (rates.busy * rarely) == 0 { return .busy }
        guard rates.unanswered > 0, generator.next() % (rates.unanswered * rarely) == 0
        else { return .done }
        return [.lostBefore, .lostAfter, .late][generator.number(in: 0..<3)]
    }

    /// Whether what a process had sent when it died is on its way.
    fileprivate func isSent() -> Bool { generator.chance(50) }

    fileprivate func failed(_ code: StoreError.Code, _ call: String) -> StoreError {
        failedCalls += 1
        scheduler.note("  \(call) fails: \(code)")
        return StoreError(code, operation: call, cause: "simulated")
    }
}

/// The bucket as one process reaches it, for as long as that lives.
final class BucketClient: ObjectStorage, @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    private let bucket: SimulatedBucket
    private let isAlive: () -> Bool
    /// Until then nothing gets through.
    var cutUntil = 0

    init(_ bucket: SimulatedBucket, isAlive: @escaping () -> Bool) {
        self.bucket = bucket
        self.isAlive = isAlive
    }

    /// A call: others run before it and after it, and anything may become of it.
    private func call<R>(
        _ text: String, changing: Bool, _ body: @escaping () throws(StoreError) -> R
    ) throws(StoreError) -> R {
        guard isAlive() else { throw dead(text) }
        bucket.scheduler.note("bucket: \(text)")
        bucket.scheduler.point()
        bucket.arrive()
        let later = { _ = try? body() }
        guard isAlive() else {
            if changing, bucket.isSent() { bucket.delay(text, later) }
            throw dead(text)
        }
        if bucket.scheduler.nanoseconds < cutUntil { throw bucket.failed(.unanswered, text) }
        let fate = bucket.fate(changing: changing)
        switch fate {
        case .busy: throw bucket.failed(.busy, text)
        case .late where changing:
            bucket.delay(text, later)
            throw bucket.failed(.unanswered, text)
        case .late, .lostBefore: throw bucket.failed(.unanswered, text)
        case .done, .lostAfter: break
        }
        let answer: R
        do {
            answer = try body()
        } catch {
            if fate == .lostAfter { throw bucket.failed(.unanswered, text) }
            bucket.scheduler.note("  \(text): \(error.code)")
            throw error
        }
        bucket.scheduler.point()
        guard isAlive() else { throw dead(text) }
        if fate == .lostAfter { throw bucket.failed(.unanswered, text) }
        return answer
    }

    private func dead(_ text: String) -> StoreError {
        bucket.scheduler.note("  \(text): the process is gone")
        return StoreError(.unanswered, operation: text, cause: "the process is gone")
    }

    func put(
        _ key: ObjectKey, _ body: UnsafeRawBufferPointer, if condition: PutCondition
    ) throws(StoreError) -> ObjectTag {
        let (bytes, objects) = (Array(body), bucket.objects)
        return try call("put \(key), \(bytes.count), \(condition)", changing: true) {
            () throws(StoreError) in
            do {
                return try bytes.withUnsafeBytes { try objects.put(key, $0, if: condition) }
            } catch let error as StoreError {
                throw error
            } catch {
                // `put` throws nothing else; the closure has lost the type.
                throw StoreError(.io, operation: "put \(key)", cause: "\(error)")
            }
        }
    }

    func get(
        _ key: ObjectKey, from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ObjectPart {
        try call("get \(key) at \(offset), \(buffer.count)", changing: false) {
            [objects = bucket.objects] () throws(StoreError) in
            try objects.get(key, from: offset, into: buffer)
        }
    }

    func list(_ prefix: String, isDeep: Bool) throws(StoreError) -> ObjectListing {
        try call("list \(prefix)", changing: false) {
            [objects = bucket.objects] () throws(StoreError) in
            try objects.list(prefix, isDeep: isDeep)
        }
    }

    func delete(_ key: ObjectKey) throws(StoreError) {
        try call("delete \(key)", changing: true) {
            [objects = bucket.objects] () throws(StoreError) in
            try objects.delete(key)
        }
    }
}
