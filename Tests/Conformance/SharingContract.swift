import ChunkStore
import RADOSStore
import S3Store
import ServerFixtures
import Testing

#if canImport(S3Client)
    import S3Client
#endif

/// What several hosts find that have a store at a time, each folder by one of them.
@Suite("Contract: a store that is shared")
struct SharingContract {
    enum Kind: CaseIterable, CustomTestStringConvertible {
        case memory, s3, rados
        #if canImport(S3Client)
            case seaweedFS, radosgw
        #endif

        var testDescription: String { "\(self)" }

        /// Hosts of one store, which is empty.
        fileprivate func hosts() throws -> () throws -> any SharedStore {
            switch self {
            case .memory:
                let medium = SharedMemoryStore.Medium()
                return { SharedMemoryStore(medium) }
            case .s3:
                let bucket = MemoryObjects()
                return { try Self.host(of: bucket) }
            case .rados:
                let place = try CephCluster.shared.get().place()
                return { try SharedRADOSStore(place) }
            #if canImport(S3Client)
                case .seaweedFS:
                    let client = try StoreKind.newPrefix(SeaweedFS.shared.get())
                    return { try Self.host(of: client) }
                case .radosgw:
                    let client = try StoreKind.newPrefix(Gateway.shared.get())
                    return { try Self.host(of: client) }
            #endif
            }
        }

        private static func host(of bucket: any ObjectStorage) throws -> S3Store {
            try StoreKind.s3Store(over: bucket) { $0.lag = .seconds(3600) }
        }
    }

    private let a = "lineages/a"
    private let b = "lineages/b"

    private func take(_ host: any SharedStore, _ folder: String) throws -> TakenFolder {
        try host.takeFolder(try name(folder), holder: "\(folder)-user", isFencing: false)
    }

    @Test(arguments: Kind.allCases)
    func eachFolderHasOneHolderAtATime(kind: Kind) throws {
        let host = try kind.hosts()
        let (first, second) = (try host(), try host())
        let members = [try first.join(holder: "first"), try second.join(holder: "second")]
        let mine = try first.takeFolder(
            try name(a), holder: "sealdisk mount /a", isFencing: false)
        expect(.locked, about: "in use by `sealdisk mount /a`") { _ = try take(second, a) }
        let theirs = try take(second, b)
        try first.replaceObject(try name("\(a)/m"), with: [1])
        try second.replaceObject(try name("\(b)/m"), with: [2])
        #expect(try second.readObject(try name("\(a)/m"), limit: 1) == [1])
        #expect(try second.holders() == [try name(a): "sealdisk mount /a"])
        #expect(try first.holders() == [try name(b): "\(b)-user"])
        // What was not taken is not touched.
        expect(.fenced, about: "has not taken") {
            try second.replaceObject(try name("\(a)/m"), with: [3])
        }
        expect(.fenced) { _ = try second.createFile(try name("\(a)/n"), length: 10) }
        expect(.fenced) { try second.removeFolder(try name(a)) }
        mine.lock.release()
        let next = try take(second, a)
        #expect(!next.isUnchanged)
        try second.replaceObject(try name("\(a)/m"), with: [4])
        #expect(try first.readObject(try name("\(a)/m"), limit: 1) == [4])
        next.lock.release()
        theirs.lock.release()
        #expect(try first.holders().isEmpty)
        for member in members { member.release() }
    }

    @Test(arguments: Kind.allCases)
    func aFolderIsGivenBackByItsLastUser(kind: Kind) throws {
        let host = try kind.hosts()
        let (first, second) = (try host(), try host())
        let members = [try first.join(holder: "first"), try second.join(holder: "second")]
        let users = [try take(first, a), try take(first, a)]
        #expect(!users[0].isUnchanged && users[1].isUnchanged)
        users[0].lock.release()
        users[0].lock.release()
        expect(.locked) { _ = try take(second, a) }
        users[1].lock.release()
        // Nobody had it meanwhile; then somebody has.
        let again = try take(first, a)
        #expect(again.isUnchanged)
        again.lock.release()
        try take(second, a).lock.release()
        let other = try take(first, a)
        #expect(!other.isUnchanged)
        other.lock.release()
        for member in members { member.release() }
    }

    /// Nothing that it took later, either.
    @Test(arguments: Kind.allCases)
    func whoLeavesHasNothingAnyMoreAndGivesNothingBack(kind: Kind) throws {
        let host = try kind.hosts()
        let (first, second) = (try host(), try host())
        let member = try first.join(holder: "first")
        let other = try second.join(holder: "second")
        let left = try take(first, a)
        member.release()
        try take(second, a).lock.release()
        let again = try first.join(holder: "first again")
        let later = try take(first, a)
        left.lock.release()
        expect(.locked) { _ = try take(second, a) }
        try first.replaceObject(try name("\(a)/m"), with: [1])
        later.lock.release()
        try take(second, a).lock.release()
        again.release()
        other.release()
    }

    @Test(arguments: Kind.allCases)
    func theStoreAsAWholeIsHadWhileNobodyHasAFolder(kind: Kind) throws {
        let host = try kind.hosts()
        let (first, second) = (try host(), try host())
        let member = try first.join(holder: "first")
        let mine = try take(first, a)
        try first.replaceObject(try name("common"), with: [1])
        expect(.locked, about: "in use by `\(a)-user`") {
            _ = try second.lockExclusively(holder: "sealdisk check")
        }
        mine.lock.release()
        let whole = try second.lockExclusively(holder: "sealdisk check")
        expect(.locked, about: "`sealdisk check`") { _ = try take(first, a) }
        expect(.locked, about: "`sealdisk check`") {
            try first.replaceObject(try name("common"), with: [2])
        }
        expect(.locked, about: "`sealdisk check`") { _ = try host().join(holder: "third") }
        try second.replaceObject(try name("\(a)/m"), with: [3])
        whole.release()
        let again = try take(first, a)
        #expect(!again.isUnchanged)
        #expect(try first.readObject(try name("\(a)/m"), limit: 1) == [3])
        try first.replaceObject(try name("\(a)/m"), with: [4])
        try first.replaceObject(try name("common"), with: [5])
        again.lock.release()
        member.release()
        let last = try second.lockExclusively(holder: "sealdisk check")
        #expect(try second.readObject(try name("\(a)/m"), limit: 1) == [4])
        #expect(try second.readObject(try name("common"), limit: 1) == [5])
        last.release()
    }

    @Test(arguments: Kind.allCases)
    func versionsTellWhatChanged(kind: Kind) throws {
        let host = try kind.hosts()
        let (first, second) = (try host(), try host())
        let members = [try first.join(holder: "first"), try second.join(holder: "second")]
        let mine = try take(first, a)
        let (m, n) = (try name("\(a)/m"), try name("\(a)/deep/n"))
        let one = try first.replaceObject(m, with: [1], if: .always)
        let deep = try first.replaceObject(n, with: [1], if: .always)
        let chunk = try first.createFile(try name("\(a)/chunks/1/chunk"), length: 2 << 20)
        try chunk.synchronize()
        #expect(try second.versions(below: try name("lineages")) == [m: one, n: deep])
        let two = try first.replaceObject(m, with: [1], if: .always)
        try first.remove(n)
        #expect(two != one)
        #expect(try second.versions(below: try name("lineages")) == [m: two])
        mine.lock.release()
        for member in members { member.release() }
    }
}
