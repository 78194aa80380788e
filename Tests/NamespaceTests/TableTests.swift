import DiskEngine
import DiskFormat
import Glibc
import Testing

@testable import Namespace

@Suite struct ErrnoTableTests {
    private static let table: [DiskError.Code: Int32] = [
        .notFound: ENOENT, .invalid: EINVAL, .alreadyExists: EEXIST, .busy: EBUSY,
        .storeLocked: EBUSY, .unfinishedCopy: EBUSY,
        .heldElsewhere: EBUSY, .keyRequired: ENOKEY,
        .keyServiceInactive: ENOKEY,
        .keyRefused: EKEYREJECTED, .noSpace: ENOSPC, .damaged: EIO, .io: EIO, .sessionOver: EIO,
        .readOnly: EROFS, .denied: EACCES, .limit: EDQUOT, .hostLimit: ENFILE,
        .unsupported: EOPNOTSUPP, .rolledBack: ESTALE,
    ]

    @Test(arguments: DiskError.Code.allCases) func everyCodeHasItsErrno(code: DiskError.Code) {
        #expect(FileError(DiskError(code, "why")).errno == Self.table[code])
        #expect(FileError(DiskError(code, "why")).message == "why")
    }
}

@Suite struct ResourceNamesTests {
    private let ids = (0..<4).map { DiskID(random: [UInt8](repeating: UInt8($0), count: 20)) }

    @Test func uniqueNamesShowAndSharedOnesDoNot() {
        let names = ResourceNames<DiskID>([
            (ids[0], "data"), (ids[1], "twin"), (ids[2], "twin"), (ids[3], nil),
        ])
        #expect(names.shown.map(\.name) == ["data", ids[1].text, ids[2].text, ids[3].text])
        #expect(names.id(named: "data") == ids[0])
        #expect(names.id(named: "twin") == nil)
        for id in ids { #expect(names.id(named: id.text) == id) }
    }
}

@Suite struct KnownNamesTests {
    /// A look-up among many does not list the many, until one of them changes.
    @Test func namesAreMadeOnceForEachStateOfTheCatalogue() {
        let known = KnownNames<DiskID>()
        var made = 0
        for revision: UInt64 in [1, 1, 1, 2, 2] {
            _ = known.names(as: revision) {
                made += 1
                return ResourceNames([])
            }
        }
        #expect(made == 2)
    }
}

@Suite struct InodeTableTests {
    private let disk = Node.disk(DiskID(random: [UInt8](repeating: 7, count: 20)))

    @Test func numbersAreNeverUsedAgain() {
        let table = InodeTable()
        var seen: Set<UInt64> = []
        for _ in 0..<100 {
            let number = table.number(of: disk)
            #expect(seen.insert(number).inserted)
            #expect(table.number(of: disk) == number)
            #expect(table.node(number) == disk)
            #expect(table.retire(disk) == number)
            #expect(table.node(number) == nil)
        }
        #expect(table.retire(disk) == nil)
    }

    /// Of what requests are written to, every look-up has one of its own.
    @Test func whoWritesRequestsHasANumberOfHisOwn() throws {
        let table = InodeTable()
        for node in [Node.control, .intake] {
            let numbers = try (0..<10).map { _ in try #require(table.ownNumber(of: node)) }
            #expect(Set(numbers).count == 10)
            for number in numbers { #expect(table.node(number) == node) }
        }
        #expect(table.ownNumber(of: disk) == nil)
        #expect(table.ownNumber(of: .status) == nil)
    }

    @Test func theRootIsWhereTheKernelLooksForIt() {
        #expect(InodeTable().node(1) == .root)
    }
}

@Suite struct OpenTableTests {
    private let disk = DiskID(random: [UInt8](repeating: 7, count: 20))

    @Test func blockingRefusesOpensUntilAllowed() throws {
        let table = OpenTable()
        try table.block(disk, patience: 0)
        expectErrno(EBUSY) { try table.enter(.disk(disk)) }
        table.allow(disk)
        try table.enter(.disk(disk))
        #expect(table.count(.disk(disk)) == 1)
    }

    @Test func anOpenHandleRefusesTheBlockAndStaysUsable() throws {
        let table = OpenTable()
        try table.enter(.disk(disk))
        try table.enter(.disk(disk))
        let error = #expect(throws: OpenTable.StillOpen.self) {
            try table.block(disk, patience: 0.01)
        }
        #expect(error?.handles == 2)
        try table.enter(.disk(disk))
        #expect(table.count(.disk(disk)) == 3)
    }

    @Test func aReleaseThatComesLateIsWaitedFor() throws {
        let table = OpenTable()
        let disk = disk
        try table.enter(.disk(disk))
        let late = try ServiceThread {
            usleep(30_000)
            table.leave(.disk(disk))
        }
        try table.block(disk, patience: 60)
        late.join()
        #expect(table.count(.disk(disk)) == 0)
    }
}
