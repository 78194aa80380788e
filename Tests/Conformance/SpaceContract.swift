import ChunkStore
import LocalStore
import Testing

@Suite("Contract: space and lock")
struct SpaceContract {
    @Test(arguments: StoreKind.allCases)
    func aReserveGrowsShrinksAndGoes(kind: StoreKind) throws {
        try kind.withStore { store in
            let reserve = try name("reserve")
            for bytes: UInt64 in [100_000, 1 << 20, 1 << 20, 200_000] {
                #expect(try store.reserve(bytes, name: reserve) == bytes)
                #expect(try store.openFile(reserve).size().allocated >= bytes)
                #expect(try store.openFile(reserve).size().allocated < bytes + 65_536)
            }
            #expect(try store.reserve(0, name: reserve) == 0)
            #expect(try store.reserve(0, name: reserve) == 0)
            expect(.notFound) { _ = try store.openFile(reserve) }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func capacityIsTold(kind: StoreKind) throws {
        try kind.withStore { store in
            let capacity = try store.capacity()
            #expect(capacity.total > 0)
            #expect(capacity.available <= capacity.total)
        }
    }

    @Test(arguments: StoreKind.allCases)
    func theLockHasOneHolderUntilItIsReleased(kind: StoreKind) throws {
        try kind.withStore { store in
            let lock = try store.lockExclusively(holder: "sealdisk mount here")
            expect(.locked, about: "in use by `sealdisk mount here`") {
                _ = try store.lockExclusively(holder: "another")
            }
            lock.release()
            lock.release()
            let next = try store.lockExclusively(holder: "the next")
            lock.release()
            expect(.locked, about: "`the next`") {
                _ = try store.lockExclusively(holder: "another")
            }
            next.release()
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aLockThatNobodyHoldsOnToIsFree(kind: StoreKind) throws {
        try kind.withStore { store in
            _ = try store.lockExclusively(holder: "gone at once")
            try store.lockExclusively(holder: "the next").release()
        }
    }
}
