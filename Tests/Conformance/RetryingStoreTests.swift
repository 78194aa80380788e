import Synchronization
import Testing

@testable import ChunkStore

@Suite("RetryingStore: again, but never to the harm of anybody")
struct RetryingStoreTests {
    /// Calls that may be done twice.
    private static let repeatable: Set<StoreOperation> = [
        .openFile, .remove, .readObject, .replaceObject, .list, .removeFolder, .capacity,
        .reserve, .read, .write, .deallocate, .size,
    ]
    private static let policy = RetryPolicy(
        attempts: 5, firstWait: .seconds(1), longestWait: .seconds(3), patience: .seconds(60))

    private let memory = MemoryStore()
    private let medium: FaultyStore
    private let time = TestTime()
    private let store: RetryingStore

    init() {
        medium = FaultyStore(memory)
        // Half of each bound.
        store = RetryingStore(medium, policy: Self.policy, time: time) { 1 << 63 }
    }

    @Test(arguments: StoreOperation.allCases)
    func whatWasRefusedForTheMomentIsAskedAgain(operation: StoreOperation) throws {
        let file = try StoreCalls.prepared(store)
        let before = medium.count(of: [operation])
        for call in 1...4 { medium.arm(Fault([operation], call: call, code: .busy)) }
        try StoreCalls.call(operation, on: store, file)
        #expect(medium.count(of: [operation]) == before + 5)
        #expect(time.sleeps == [.seconds(0.5), .seconds(1), .seconds(1.5), .seconds(1.5)])
    }

    /// Whether or not it was done.
    @Test(arguments: StoreOperation.allCases, [Fault.Effect.none, .whole])
    func whatWasNotAnsweredIsAskedAgainIfThatDoesNoHarm(
        operation: StoreOperation, effect: Fault.Effect
    ) throws {
        let file = try StoreCalls.prepared(store)
        let before = medium.count(of: [operation])
        medium.arm(Fault([operation], effect: effect, code: .unanswered))
        if Self.repeatable.contains(operation) {
            try StoreCalls.call(operation, on: store, file)
            #expect(medium.count(of: [operation]) == before + 2)
        } else {
            expect(.unanswered, about: "\(operation)") {
                try StoreCalls.call(operation, on: store, file)
            }
            #expect(medium.count(of: [operation]) == before + 1)
            #expect(time.sleeps == [])
        }
    }

    /// Its own work must not be told as another's.
    @Test func aReplacementOnAConditionThatWasNotAnsweredIsTheCallersToLookAt() throws {
        let object = try name("record")
        medium.arm(Fault([.replaceObject], effect: .whole, code: .unanswered))
        expect(.unanswered) { _ = try store.replaceObject(object, with: [1], if: .absent) }
        let found = try store.readVersioned(object, limit: 1)
        #expect(found.bytes == [1])
        medium.arm(Fault([.replaceObject], effect: .whole, code: .unanswered))
        expect(.unanswered) {
            _ = try store.replaceObject(object, with: [2], if: .version(found.version))
        }
        #expect(try store.readObject(object, limit: 1) == [2])
        medium.arm(Fault([.replaceObject], code: .busy))
        expect(.conflict) {
            _ = try store.replaceObject(object, with: [3], if: .version(found.version))
        }
        #expect(medium.count(of: [.replaceObject]) == 4)
    }

    @Test func whatIsGoneAfterARemovalWasRemoved() throws {
        let object = try name("object")
        try store.replaceObject(object, with: [1])
        medium.arm(Fault([.remove], effect: .whole, code: .unanswered))
        try store.remove(object)
        #expect(memory.names == [])
        medium.arm(Fault([.remove], code: .busy))
        expect(.notFound) { try store.remove(object) }
    }

    @Test(arguments: [
        StoreError.Code.notFound, .alreadyExists, .noSpace, .locked, .tooLarge, .readOnly,
        .foreign, .denied, .io, .tooManyFiles, .conflict,
    ])
    func whatDoesNotPassIsToldAtOnce(code: StoreError.Code) throws {
        let file = try StoreCalls.prepared(store)
        for operation in StoreOperation.allCases {
            let before = medium.count(of: [operation])
            medium.arm(Fault([operation], code: code))
            expect(code, about: "injected fault") {
                try StoreCalls.call(operation, on: store, file)
            }
            #expect(medium.count(of: [operation]) == before + 1)
        }
        #expect(time.sleeps == [])
    }

    @Test func afterSoManyAttemptsItIsGivenUp() throws {
        medium.arm(Fault([.list], isLasting: true, code: .busy))
        expect(.busy, about: "injected fault (tried 5 times)") {
            _ = try store.list(try name("folder"))
        }
        #expect(medium.count(of: [.list]) == 5)
        #expect(time.sleeps.count == 4)
    }

    @Test(arguments: [(3, 4), (2, 3), (1, 2), (0, 1)])
    func noAttemptBeginsWhenPatienceIsOver(seconds: Int, attempts: Int) throws {
        var policy = Self.policy
        policy.patience = .seconds(seconds)
        let store = RetryingStore(medium, policy: policy, time: time) { 1 << 63 }
        medium.arm(Fault([.capacity], isLasting: true, code: .unanswered))
        expect(.unanswered) { _ = try store.capacity() }
        #expect(medium.count(of: [.capacity]) == attempts)
    }

    /// Time that the calls take themselves counts as well.
    @Test func slowCallsWearPatienceOut() throws {
        let time = TestTime(step: .seconds(50))
        let store = RetryingStore(medium, policy: Self.policy, time: time) { 0 }
        medium.arm(Fault([.capacity], isLasting: true, code: .busy))
        expect(.busy) { _ = try store.capacity() }
        #expect(medium.count(of: [.capacity]) == 2)
    }

    @Test func chanceSpreadsTheWaits() {
        for attempts in 1...5 {
            let waits = [0, 1 << 62, 1 << 63, .max].map {
                Self.policy.wait(after: attempts, chance: $0)
            }
            let bound = Duration.seconds([1, 2, 3, 3, 3][attempts - 1])
            #expect(waits[0] == .zero)
            #expect(waits[1] == bound / 4)
            #expect(waits[2] == bound / 2)
            #expect(waits[3] < bound && waits[3] > bound * 0.999)
        }
    }

    /// Who waits has nothing locked: another call, on the same thread even, goes through.
    @Test func othersGoOnMeanwhile() throws {
        let others = Mutex<[any ChunkStore]>([])
        let time = TestTime {
            for store in others.withLock({ $0 }) {
                #expect(throws: Never.self) { try store.capacity() }
            }
        }
        let store = RetryingStore(medium, policy: Self.policy, time: time) { 1 << 63 }
        others.withLock { $0 = [store] }
        medium.arm(Fault([.list], code: .busy))
        #expect(try store.list(try name("a")) == [])
        #expect(medium.count(of: [.capacity]) == 1)
    }

    /// However many attempts wait for the medium.
    @Test func waitingIsToldOnce() throws {
        let base = try memory.createFile(try name("chunk"), length: 4)
        let slow = SlowFile(base, refusals: 3)
        let retrying = Retrying(policy: Self.policy, time: time) { 0 }
        let file = RetryingFile(slow, retrying: retrying)
        var told = 0
        var bytes = [UInt8](repeating: 1, count: 4)
        let count = try bytes.withUnsafeMutableBytes { buffer in
            try file.read(into: buffer, at: 0) { told += 1 }
        }
        #expect((count, told) == (4, 1))
        #expect(slow.reads.load(ordering: .relaxed) == 4)
    }
}
