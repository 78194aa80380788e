import ChunkStore
import Testing

@Suite("Contract: chunk files")
struct FileContract {
    @Test(arguments: StoreKind.allCases)
    func aNewFileHasItsLengthItsSpaceAndReadsAsZeros(kind: StoreKind) throws {
        try kind.withStore { store in
            let file = try store.createFile(try name("a/b/chunk"), length: 100_000)
            let size = try file.size()
            #expect(size.length == 100_000)
            #expect(size.allocated >= 100_000)
            #expect(try file.bytes(100_000) == [UInt8](repeating: 0, count: 100_000))
            let empty = try store.createFile(try name("a/empty"), length: 0)
            #expect(try empty.size().length == 0)
            #expect(try empty.bytes(1) == [])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aNameIsCreatedOnce(kind: StoreKind) throws {
        try kind.withStore { store in
            let chunk = try name("a/chunk")
            try store.createFile(chunk, length: 10).write([1, 2, 3], at: 0)
            expect(.alreadyExists, about: "a/chunk") {
                _ = try store.createFile(chunk, length: 10)
            }
            if kind.hasFolders {
                expect(.alreadyExists, about: "create a") {
                    _ = try store.createFile(try name("a"), length: 10)
                }
            }
            #expect(try store.openFile(chunk).bytes(3) == [1, 2, 3])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aWriteIsSeenAtOnceThroughEveryHandle(kind: StoreKind) throws {
        try kind.withStore { store in
            let chunk = try name("chunk")
            let writer = try store.createFile(chunk, length: 20_000)
            let reader = try store.openFile(chunk)
            let bytes = (0..<9000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }
            try writer.write(bytes, at: 4000)
            try writer.write([], at: 20_000)
            #expect(try reader.bytes(9000, at: 4000) == bytes)
            #expect(try reader.bytes(2, at: 3999) == [0, bytes[0]])
            #expect(try reader.bytes(2, at: 12_999) == [bytes[8999], 0])
            try reader.synchronize()
            try reader.dropCache()
            #expect(try writer.bytes(9000, at: 4000) == bytes)
        }
    }

    /// A slot's body and its entry, by several threads, next to each other.
    @Test(arguments: StoreKind.allCases)
    func twoBuffersAreBothWritten(kind: StoreKind) throws {
        try kind.withStore { store in
            let file = try store.createFile(try name("chunk"), length: 400_000)
            inThreads(4) { thread in
                for round in 0..<20 {
                    let body = [UInt8](repeating: UInt8(20 * thread + round + 1), count: 4096)
                    let entry = Array(body[..<32])
                    let place = UInt64(4 * round + thread)
                    try body.withUnsafeBytes { body in
                        try entry.withUnsafeBytes { entry in
                            try file.write(
                                body, at: 8192 + place * 4096, with: entry, at: place * 32)
                        }
                    }
                    #expect(try file.bytes(32, at: place * 32) == entry)
                    #expect(try file.bytes(4096, at: 8192 + place * 4096) == body)
                }
            }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func readsEndWithTheFile(kind: StoreKind) throws {
        try kind.withStore { store in
            let file = try store.createFile(try name("chunk"), length: 5000)
            try file.write([9], at: 4999)
            #expect(try file.bytes(10, at: 4998) == [0, 9])
            #expect(try file.bytes(10, at: 5000) == [])
            #expect(try file.bytes(10, at: .max) == [])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aWriteNeverGrowsAFile(kind: StoreKind) throws {
        try kind.withStore { store in
            let file = try store.createFile(try name("chunk"), length: 5000)
            for offset: UInt64 in [4999, 5000, 5001, .max] {
                expect(.io, about: "write chunk") { try file.write([1, 2], at: offset) }
            }
            #expect(try file.size().length == 5000)
            #expect(try file.bytes(1, at: 4999) == [0])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aDeallocatedRangeReadsAsZerosAndGivesItsSpaceBackIfItCan(kind: StoreKind) throws {
        try kind.withStore { store in
            let file = try store.createFile(try name("chunk"), length: 1 << 20)
            try file.write([UInt8](repeating: 7, count: 1 << 20), at: 0)
            try file.synchronize()
            let before = try file.size()
            try file.deallocate(at: 65_000, length: 400_000)
            #expect(try file.bytes(1, at: 64_999) == [7])
            #expect(try file.bytes(400_000, at: 65_000).allSatisfy { $0 == 0 })
            #expect(try file.bytes(1, at: 465_000) == [7])
            let after = try file.size()
            #expect(after.length == before.length)
            switch store.chunkKind {
            case .appendable: #expect(after.allocated + 350_000 < before.allocated)
            case .whole: #expect(after.allocated == before.allocated)
            }
            try file.write([5], at: 100_000)
            #expect(try file.bytes(3, at: 99_999) == [0, 5, 0])
            try file.deallocate(at: (1 << 20) - 1, length: .max)
            try file.deallocate(at: 1 << 21, length: 10)
            try file.deallocate(at: 0, length: 0)
            #expect(try file.bytes(3, at: (1 << 20) - 2) == [7, 0])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func handlesOutliveTheNameAndTheNameCanBeUsedAgain(kind: StoreKind) throws {
        try kind.withStore { store in
            let chunk = try name("a/chunk")
            let old = try store.createFile(chunk, length: 10)
            try old.write([1], at: 0)
            try store.remove(chunk)
            expect(.notFound, about: "a/chunk") { _ = try store.openFile(chunk) }
            expect(.notFound, about: "a/chunk") { try store.remove(chunk) }
            let new = try store.createFile(chunk, length: 10)
            try new.write([2], at: 0)
            try old.write([3], at: 1)
            #expect(try old.bytes(2) == [1, 3])
            #expect(try new.bytes(2) == [2, 0])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func disjointRangesAreWrittenFromManyThreads(kind: StoreKind) throws {
        try kind.withStore { store in
            let file = try store.createFile(try name("chunk"), length: 8 * 5000)
            inThreads(8) { thread in
                for round in 0..<50 {
                    let bytes = [UInt8](repeating: UInt8(thread + 1), count: 100)
                    try file.write(bytes, at: UInt64(thread * 5000 + round * 100))
                }
            }
            for thread in 0..<8 {
                let bytes = try file.bytes(5000, at: UInt64(thread * 5000))
                #expect(bytes == [UInt8](repeating: UInt8(thread + 1), count: 5000))
            }
        }
    }

    /// Whether or not the file system says that a read would wait: the bytes are the same, and it
    /// says so once at most.
    @Test(arguments: StoreKind.allCases)
    func readsThatTellOfWaitingReadTheSame(kind: StoreKind) throws {
        try kind.withStore { store in
            let file = try store.createFile(try name("chunk"), length: 3 << 20)
            let bytes = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 / 4099) }
            try file.write(bytes, at: 0)
            for round in 0..<3 {
                if round == 1 { try file.dropCache() }
                if round == 2 { file.prefetch(at: 0, length: 1 << 20) }
                var told = 0
                var read = [UInt8](repeating: 0, count: 2 << 20)
                let count = try read.withUnsafeMutableBytes { buffer in
                    try file.read(into: buffer, at: 1_500_000) { told += 1 }
                }
                #expect(count == (3 << 20) - 1_500_000)
                #expect(Array(read[..<count]) == Array(bytes[1_500_000...]))
                #expect(told <= 1)
                #expect(
                    try read.withUnsafeMutableBytes { try file.read(into: $0, at: 4 << 20) {} } == 0
                )
            }
        }
    }
}
