import ChunkStore
import Testing

@Suite("MemoryStore: what tests may do to it")
struct MemoryStoreTests {
    private let store = MemoryStore()

    @Test func aPowerCutTakesWhatWasNotSynchronized() throws {
        let chunk = try name("a/chunk")
        let file = try store.createFile(chunk, length: 64 << 10)
        try file.write([1, 1, 1], at: 4095)
        try file.synchronize()
        try file.write([2, 2], at: 4096)
        try file.write([3], at: 40_000)
        try file.deallocate(at: 0, length: 4096)
        try store.replaceObject(try name("a/object"), with: [4])
        let lock = try store.lockExclusively(holder: "before")
        store.crash()
        expect(.io, about: "power cut") { _ = try file.bytes(1) }
        let again = try store.openFile(chunk)
        #expect(try again.bytes(3, at: 4095) == [1, 1, 1])
        #expect(try again.bytes(1, at: 40_000) == [0])
        #expect(try again.size() == (64 << 10, 64 << 10))
        #expect(try store.readObject(try name("a/object"), limit: 1) == [4])
        let next = try store.lockExclusively(holder: "after")
        lock.release()
        expect(.locked) { _ = try store.lockExclusively(holder: "third") }
        next.release()
    }

    @Test func aCopyGoesItsOwnWay() throws {
        let chunk = try name("chunk")
        let file = try store.createFile(chunk, length: 8192)
        try file.write([1], at: 0)
        let lock = try store.lockExclusively(holder: "original")
        let (copy, crashed) = (store.copy(), store.copy())
        crashed.crash()
        try file.write([2], at: 0)
        #expect(try copy.openFile(chunk).bytes(1) == [1])
        #expect(try crashed.openFile(chunk).bytes(1) == [0])
        try copy.openFile(chunk).write([3], at: 0)
        try copy.lockExclusively(holder: "copy").release()
        #expect(try file.bytes(1) == [2])
        lock.release()
    }

    @Test func aFileThatLostItsNameCostsNoSpaceOnceItIsClosed() throws {
        let before = try store.capacity().available
        do {
            let file = try store.createFile(try name("a/chunk"), length: 1 << 20)
            try store.remove(try name("a/chunk"))
            #expect(try file.bytes(1) == [0])
            #expect(try store.capacity().available == before - 1 << 20)
        }
        #expect(try store.capacity().available == before)
        try store.replaceObject(try name("object"), with: [1])
        try store.replaceObject(try name("object"), with: [2])
        #expect(try store.capacity().available == before - 4096)
    }

    @Test func tamperingIsDurable() throws {
        let chunk = try name("chunk")
        let file = try store.createFile(chunk, length: 10_000)
        try file.write([1, 2, 3], at: 4095)
        try store.mutateFile(chunk, at: 4096, count: 2) { $0[1] ^= 0x80 }
        store.crash()
        #expect(try store.openFile(chunk).bytes(3, at: 4095) == [1, 2, 0x83])
        try store.mutateFile(chunk) { $0.removeLast(5000) }
        #expect(try store.openFile(chunk).size().length == 5000)
        #expect(try store.openFile(chunk).bytes(3, at: 4095) == [1, 2, 0x83])
        try store.replaceObject(try name("object"), with: [1])
        try store.mutateFile(try name("object")) { $0.append(9) }
        #expect(try store.readObject(try name("object"), limit: 2) == [1, 9])
        #expect(store.names == ["chunk", "object"])
        expect(.notFound) { try store.mutateFile(try name("none")) { _ in } }
        expect(.io) { try store.mutateFile(chunk, at: 4999, count: 2) { _ in } }
    }

    /// Random writes, discards, syncs and power cuts against a plain array of bytes.
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func itAgreesWithAPlainArray(seed: UInt64) throws {
        print("seed \(seed)")
        var random = SplitMix(state: seed)
        let chunk = try name("chunk")
        var file = try store.createFile(chunk, length: 30_000)
        var now = [UInt8](repeating: 0, count: 30_000)
        var durable = now
        for step in 0..<400 {
            let start = Int.random(in: 0..<30_000, using: &random)
            let end = Int.random(in: start..<min(start + 9000, 30_000), using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                store.crash()
                now = durable
                file = try store.openFile(chunk)
            case 1...3:
                try file.synchronize()
                durable = now
            case 4...8:
                try file.deallocate(at: UInt64(start), length: UInt64(end - start))
                now.replaceSubrange(start..<end, with: repeatElement(0, count: end - start))
            default:
                let value = UInt8.random(in: 1...255, using: &random)
                let bytes = [UInt8](repeating: value, count: end - start)
                try file.write(bytes, at: UInt64(start))
                now.replaceSubrange(start..<end, with: bytes)
            }
            try #require(try file.bytes(30_000) == now, "seed \(seed), step \(step)")
        }
        try file.write([UInt8](repeating: 1, count: 30_000), at: 0)
        #expect(try file.size().allocated == 32_768)
        let capacity = try store.capacity()
        #expect(capacity.available == capacity.total - 32_768)
    }
}

/// A small generator that one number seeds.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
