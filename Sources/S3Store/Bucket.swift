import ChunkStore
import Synchronization

/// A bucket as the holder of a lease uses it: small objects in their envelopes, under its epoch.
///
/// Keys: `lease`, and `leases/NAME` of folders; `objects/NAME`, small objects; `chunks/NAME`,
/// indexes of chunks; `data/NAME/…`, what indexes point to.
final class Bucket: Sendable {
    let objects: any ObjectStorage
    let gate: LeaseGate
    private let time: any StoreTime
    private let patience: Duration
    private let random: @Sendable (Int) -> [UInt8]
    /// The epoch that puts are made under; and the lowest that counts.
    let epoch = Atomic<UInt64>(0)
    let floor = Atomic<UInt64>(0)

    init(
        _ objects: any ObjectStorage, gate: LeaseGate, time: any StoreTime, patience: Duration,
        random: @escaping @Sendable (Int) -> [UInt8]
    ) {
        self.objects = objects
        self.gate = gate
        self.time = time
        self.patience = patience
        self.random = random
    }

    static let lease = ObjectKey("lease")
    static let folderLeases = "leases/"
    /// nil: of the whole store.
    static func lease(of folder: ObjectName?) -> ObjectKey {
        folder.map { ObjectKey("\(folderLeases)\($0)") } ?? lease
    }
    static func object(_ name: ObjectName) -> ObjectKey { ObjectKey("objects/\(name)") }
    static let indexes = "chunks/"
    static func index(_ name: ObjectName) -> ObjectKey { ObjectKey("\(indexes)\(name)") }
    static func data(_ name: ObjectName, _ object: ChunkIndex.DataObject) -> ObjectKey {
        ObjectKey("data/\(name)/\(object.text)")
    }

    /// The same under another lease.
    func behind(_ gate: LeaseGate) -> Bucket {
        Bucket(objects, gate: gate, time: time, patience: patience, random: random)
    }

    /// The same under the same lease, of a part in which only what is newer counts.
    func above(_ floor: UInt64) -> Bucket {
        let part = behind(gate)
        part.epoch.store(epoch.load(ordering: .acquiring), ordering: .releasing)
        part.floor.store(floor, ordering: .releasing)
        return part
    }

    func randomNumber() -> UInt64 { LittleEndian.number(random(8)[...]) }

    /// What is under a key.
    struct Found {
        let envelope: ObjectEnvelope
        let content: [UInt8]
        let tag: ObjectTag
    }

    /// nil if nothing is there. Also what was removed is found, and what does not count.
    func find(_ key: ObjectKey, limit: Int, _ operation: String) throws(StoreError) -> Found? {
        var room = min(limit, 64 << 10) + ObjectEnvelope.size
        while true {
            let (part, bytes): (ObjectPart, [UInt8])
            do {
                (part, bytes) = try get(key, room: room)
            } catch {
                guard error.code == .notFound else { throw error }
                return nil
            }
            if part.size > limit + ObjectEnvelope.size {
                let size = part.size - UInt64(ObjectEnvelope.size)
                throw StoreError(
                    .tooLarge, operation: operation,
                    cause: "\(size) bytes, more than the \(limit) it may have")
            }
            guard part.size <= part.count else {
                room = Int(part.size)
                continue
            }
            guard let envelope = ObjectEnvelope(bytes) else {
                throw StoreError(
                    .foreign, operation: operation,
                    cause: "the bucket's object \(key) is none that this program made")
            }
            return Found(
                envelope: envelope, content: Array(bytes.dropFirst(ObjectEnvelope.size)),
                tag: part.tag)
        }
    }

    private func get(
        _ key: ObjectKey, room: Int
    ) throws(StoreError) -> (ObjectPart, [UInt8]) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 16)
        defer { buffer.deallocate() }
        let part = try objects.get(key, from: 0, into: buffer)
        return (part, Array(buffer[..<part.count]))
    }

    /// Whether it is there for this store: not removed, and not of an epoch that does not count.
    func counts(_ found: Found?) -> Bool {
        guard let found else { return false }
        return !found.envelope.isRemoved
            && found.envelope.epoch >= floor.load(ordering: .acquiring)
    }

    /// Puts an object under a condition, and finds out whether it did if the answer was lost: the
    /// condition holds once, so what is there then is this put's or was never this put's.
    ///
    /// A put that is not decided yet may come later. With `mustDecide` this asks until it is, and
    /// where it is not within the store's patience this process is fenced: nothing that it says of
    /// the object would hold. Without, `.unanswered` is thrown, and the caller puts on the same
    /// condition before it relies on what is there.
    ///
    /// Precondition: the condition is `.absent` or a tag.
    func put(
        _ key: ObjectKey, _ content: [UInt8], isRemoved: Bool = false, if condition: PutCondition,
        mustDecide: Bool = false, _ operation: String
    ) throws(StoreError) -> ObjectTag {
        let envelope = ObjectEnvelope(
            epoch: epoch.load(ordering: .acquiring), mark: random(16), isRemoved: isRemoved)
        let bytes = envelope.encoded(with: content)
        let start = time.now()
        var mayCome = false
        while true {
            var failure: StoreError
            do {
                return try put(key, bytes, condition)
            } catch {
                failure = error
            }
            let isRepeated = mayCome
            var isDecided = false
            if failure.code == .unanswered { mayCome = true }
            // A put that was sent once more may have met its own first attempt.
            let mayBeMet = failure.code == .alreadyExists || failure.code == .conflict
            guard mayCome || mayBeMet else { throw failure }
            do {
                let found = try find(key, limit: Self.longest, operation)
                if let found, found.envelope == envelope { return found.tag }
                isDecided = !(mayCome && isStill(condition, found))
            } catch {
                guard mayCome else { throw error }
                failure = error
            }
            if isDecided {
                throw StoreError(
                    condition == .absent ? .alreadyExists : .conflict, operation: operation,
                    cause: "the bucket has another object of that name")
            }
            // It may come yet, but not after a put on the same condition.
            if !isRepeated { continue }
            guard mustDecide else {
                throw StoreError(.unanswered, operation: operation, cause: failure.cause)
            }
            try giveUp(since: start, operation, failure)
        }
    }

    /// Objects that are replaced are smaller, and so are indexes.
    static let longest = 16 << 20

    /// Waits a moment before the next attempt to find out; not for ever.
    private func giveUp(
        since start: Duration, _ operation: String, _ failure: StoreError
    ) throws(StoreError) {
        if time.now() - start < patience, !gate.isFenced {
            return time.sleep(for: min(.milliseconds(250), patience / 4))
        }
        let cause = "it cannot be told what became of a change (\(operation): \(failure.cause))"
        gate.fence(cause)
        throw StoreError(.fenced, operation: operation, cause: cause)
    }

    private func isStill(_ condition: PutCondition, _ found: Found?) -> Bool {
        switch condition {
        case .always: true
        case .absent: found == nil
        case .tag(let tag): found?.tag == tag
        }
    }

    private func put(
        _ key: ObjectKey, _ bytes: [UInt8], _ condition: PutCondition
    ) throws(StoreError) -> ObjectTag {
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
