import ChunkStore
import Synchronization
import Testing

@Suite("FaultyStore: breaks what it says and nothing else")
struct FaultyStoreTests {
    private let memory = MemoryStore()
    private let store: FaultyStore

    init() { store = FaultyStore(memory) }

    @Test func theNthCallFailsOnce() throws {
        let file = try store.createFile(try name("chunk"), length: 100)
        store.arm(Fault([.write, .synchronize], call: 3, code: .noSpace))
        try file.write([1], at: 0)
        try file.synchronize()
        expect(.noSpace, about: "write chunk: injected fault") { try file.write([2], at: 0) }
        try file.write([3], at: 1)
        #expect(try file.bytes(2) == [1, 3])
        #expect(store.count(of: [.write]) == 3)
        #expect(store.count(of: [.write, .synchronize]) == 4)
    }

    @Test func aLastingFaultStaysUntilItIsTakenBack() throws {
        let file = try store.createFile(try name("a/chunk"), length: 100)
        let other = try store.createFile(try name("b/chunk"), length: 100)
        store.arm(Fault([.synchronize], prefix: "a/", call: 2, isLasting: true))
        try file.synchronize()
        for _ in 0..<3 {
            expect(.io) { try file.synchronize() }
            try other.synchronize()
        }
        store.disarm()
        try file.synchronize()
    }

    @Test func aFailedWriteMayHaveHappenedInPartOrWhole() throws {
        let file = try store.createFile(try name("chunk"), length: 8)
        let effects: [(Fault.Effect, [UInt8])] = [
            (.none, [0, 0, 0, 0]), (.half, [1, 1, 0, 0]), (.whole, [1, 1, 1, 1]),
        ]
        for (effect, expected) in effects {
            try file.write([0, 0, 0, 0], at: 0)
            store.arm(Fault([.write], effect: effect))
            expect(.io) { try file.write([1, 1, 1, 1], at: 0) }
            #expect(try file.bytes(4) == expected)
        }
        store.arm(Fault([.synchronize], effect: .whole))
        expect(.io) { try file.synchronize() }
        memory.crash()
        #expect(try memory.openFile(try name("chunk")).bytes(4) == [1, 1, 1, 1])
    }

    /// On a full store nothing is left behind; where the medium fails, what is there is whole.
    @Test func aFailedCreationLeavesNothingOrAllOfIt() throws {
        store.arm(Fault([.createFile], effect: .whole, code: .noSpace))
        expect(.noSpace) { _ = try store.createFile(try name("chunk"), length: 1) }
        #expect(memory.names == [])
        store.arm(Fault([.createFile], effect: .whole))
        expect(.io) { _ = try store.createFile(try name("chunk"), length: 2, beginning: [7]) }
        #expect(try memory.openFile(try name("chunk")).bytes(2) == [7, 0])
        try memory.remove(try name("chunk"))
        store.arm(Fault([.replaceObject], effect: .whole))
        expect(.io) { try store.replaceObject(try name("object"), with: [1]) }
        #expect(memory.names == ["object"])
    }

    /// A recycling that fails may have taken the old file away, and where the medium fails the new
    /// one may be there.
    @Test func aFailedRecyclingLeavesOldNothingOrNew() throws {
        let cases: [(Fault, [String])] = [
            (Fault([.recycleFile]), ["old"]), (Fault([.recycleFile], effect: .half), []),
            (Fault([.recycleFile], effect: .whole, code: .noSpace), []),
            (Fault([.recycleFile], effect: .whole), ["new"]),
        ]
        for (fault, left) in cases {
            for path in memory.names { try memory.remove(try name(path)) }
            _ = try store.createFile(try name("old"), length: 2)
            store.arm(fault)
            expect(fault.code) {
                _ = try store.recycleFile(
                    try name("old"), as: try name("new"), length: 2, beginning: [7], blank: 1)
            }
            #expect(memory.names == left)
        }
    }

    @Test(arguments: StoreOperation.allCases)
    func everyCallCanFailAndIsCounted(operation: StoreOperation) throws {
        let file = try StoreCalls.prepared(store)
        let before = store.count(of: [operation])
        store.arm(Fault([operation]))
        expect(.io, about: operation.rawValue) {
            try StoreCalls.call(operation, on: store, file)
        }
        #expect(store.count(of: [operation]) == before + 1)
        try StoreCalls.call(operation, on: store, file)
    }

    @Test func callsAreRecordedAndObservedInOrder() throws {
        let seen = Mutex<[String]>([])
        let store = FaultyStore(memory) { operation, name in
            seen.withLock { $0.append("\(operation) \(name)") }
        }
        let file = try store.createFile(try name("chunk"), length: 1)
        store.startRecording()
        try file.write([1], at: 0)
        try file.synchronize()
        _ = try store.capacity()
        #expect(store.recording == ["write chunk", "synchronize chunk", "capacity"])
        let expected = ["createFile chunk", "write chunk", "synchronize chunk", "capacity "]
        #expect(seen.withLock { $0 } == expected)
    }
}
