import ChunkStore
import Synchronization
import Testing

/// Objects that are replaced on a condition.
@Suite("Contract: versions of objects")
struct VersionContract {
    @Test(arguments: StoreKind.allCases)
    func whatIsThereIsNotMadeAgain(kind: StoreKind) throws {
        try kind.withStore { store in
            let object = try name("a/b/record")
            let version = try store.replaceObject(object, with: [1], if: .absent)
            let expected = VersionedObject(bytes: [1], version: version)
            for bytes: [UInt8] in [[2], [1], []] {
                expect(.alreadyExists, about: "replace a/b/record") {
                    _ = try store.replaceObject(object, with: bytes, if: .absent)
                }
                #expect(try store.readVersioned(object, limit: 10) == expected)
            }
            if kind.hasFolders {
                expect(.alreadyExists) {
                    _ = try store.replaceObject(try name("a/b"), with: [1], if: .absent)
                }
            }
            #expect(try store.list(try name("a/b")).map(\.name) == ["record"])
            try store.remove(object)
            _ = try store.replaceObject(object, with: [3], if: .absent)
            #expect(try store.readObject(object, limit: 10) == [3])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aVersionIsReplacedOnce(kind: StoreKind) throws {
        try kind.withStore { store in
            let object = try name("a/record")
            try store.replaceObject(object, with: [1, 1])
            let first = try store.readVersioned(object, limit: 2)
            #expect(first.bytes == [1, 1])
            let second = try store.replaceObject(
                object, with: [2, 2], if: .version(first.version))
            #expect(second != first.version)
            expect(.conflict, about: "replace a/record") {
                _ = try store.replaceObject(object, with: [3, 3], if: .version(first.version))
            }
            let found = try store.readVersioned(object, limit: 2)
            #expect(found == VersionedObject(bytes: [2, 2], version: second))
            try store.replaceObject(object, with: [4, 4])
            expect(.conflict) {
                _ = try store.replaceObject(object, with: [5, 5], if: .version(second))
            }
            #expect(try store.readObject(object, limit: 2) == [4, 4])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func whatIsNotThereHasNoVersion(kind: StoreKind) throws {
        try kind.withStore { store in
            let object = try name("a/record")
            let version = try store.replaceObject(object, with: [1], if: .always)
            try store.remove(object)
            for absent in ["a/record", "b/c/record"] {
                expect(.conflict, about: absent) {
                    _ = try store.replaceObject(
                        try name(absent), with: [2], if: .version(version))
                }
            }
            #expect(try store.list(try name("a")) == [])
            #expect(try store.list(try name("b")) == [])
            guard kind.hasFolders else { return }
            try store.replaceObject(object, with: [1])
            for condition in [ReplaceCondition.absent, .version(version)] {
                expect(.foreign) {
                    _ = try store.replaceObject(
                        try name("a/record/below"), with: [2], if: condition)
                }
            }
            expect(.foreign) {
                _ = try store.replaceObject(try name("a"), with: [2], if: .version(version))
            }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func otherContentsHaveAnotherVersion(kind: StoreKind) throws {
        try kind.withStore { store in
            let object = try name("record")
            var seen: Set<ObjectVersion> = []
            for round in 0..<40 {
                let bytes = [UInt8](repeating: UInt8(round), count: round % 3)
                // One of no bytes has no other contents.
                let isNew = !bytes.isEmpty || round == 0
                let version = try store.replaceObject(object, with: bytes, if: .always)
                #expect(seen.insert(version).inserted || !isNew)
                #expect(try store.readVersioned(object, limit: 2).version == version)
            }
        }
    }

    /// A number that many threads count up, each on what it has read.
    @Test(arguments: StoreKind.allCases)
    func noneOfManyIsLost(kind: StoreKind) throws {
        try kind.withStore { store in
            let object = try name("a/count")
            let winners = Atomic<Int>(0)
            inThreads(4) { thread in
                do {
                    _ = try store.replaceObject(object, with: [0], if: .absent)
                    winners.add(1, ordering: .relaxed)
                } catch let error as StoreError {
                    #expect(error.code == .alreadyExists)
                }
                for _ in 0..<10 { try countUp(object, in: store) }
            }
            #expect(winners.load(ordering: .relaxed) == 1)
            #expect(try store.readObject(object, limit: 1) == [40])
        }
    }

    private func countUp(_ object: ObjectName, in store: any ChunkStore) throws {
        while true {
            let found = try store.readVersioned(object, limit: 1)
            do {
                let next = [(found.bytes.first ?? 0) + 1]
                _ = try store.replaceObject(object, with: next, if: .version(found.version))
                return
            } catch {
                try #require(error.code == .conflict)
            }
        }
    }

    /// Whichever comes first, what was asked for without a condition is what is left.
    @Test(arguments: StoreKind.allCases)
    func aConditionHoldsAgainstWhoeverHasNone(kind: StoreKind) throws {
        try kind.withStore { store in
            let object = try name("a/record")
            for round in 0..<40 {
                let version = try store.replaceObject(object, with: [1], if: .always)
                inThreads(2) { thread in
                    if thread == 0 {
                        do {
                            _ = try store.replaceObject(object, with: [2], if: .version(version))
                        } catch let error as StoreError {
                            #expect(error.code == .conflict)
                        }
                    } else if round % 2 == 0 {
                        try store.replaceObject(object, with: [3])
                    } else {
                        try store.remove(object)
                    }
                }
                let left = try store.list(try name("a"))
                #expect(left.isEmpty == (round % 2 == 1))
                if !left.isEmpty { #expect(try store.readObject(object, limit: 1) == [3]) }
            }
        }
    }
}
