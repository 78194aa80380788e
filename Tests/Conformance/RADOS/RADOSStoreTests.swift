import ChunkStore
import Foundation
import ServerFixtures
import Synchronization
import Testing

@testable import RADOSStore

@Suite("RADOSStore: what a cluster does and refuses")
struct RADOSStoreTests {
    private let cluster: CephCluster

    init() throws { cluster = try CephCluster.shared.get() }

    @Test func aMissingLibraryIsNamedWithItsPackage() throws {
        expect(.notFound, about: "apt-get install librados2") {
            _ = try RADOSLibrary.functions(of: "librados-of-nobody.so.2")
        }
        expect(.io, about: "it has no rados_create2") {
            _ = try RADOSLibrary.functions(of: "libc.so.6")
        }
    }

    @Test func whoMayNotIsTold() throws {
        var place = cluster.place(user: "nobody")
        expect(.denied, about: "does not know client.nobody") { _ = try RADOSStore(place) }
        place = cluster.place(user: "stranger")
        let store = try RADOSStore(place)
        expect(.denied, about: "capabilities") {
            try store.replaceObject(try name("object"), with: [1])
        }
        // The right name with another's key.
        let folder = try TemporaryFolder()
        let conf = try String(contentsOfFile: cluster.configuration, encoding: .utf8)
        let keyring = "[client.store]\nkey = AQDzW1hjAAAAABAAc2Rqa2xhc2Rqa2xhc2Rqaw==\n"
        try keyring.write(toFile: folder.path + "/keyring", atomically: true, encoding: .utf8)
        let lines = conf.split(separator: "\n").map {
            $0.hasPrefix("keyring") ? "keyring = \(folder.path)/keyring" : String($0)
        }
        place = cluster.place()
        place.configuration = folder.path + "/conf"
        try (lines.joined(separator: "\n") + "\n").write(
            toFile: place.configuration, atomically: true, encoding: .utf8)
        expect(.denied, about: "does not know client.store") { _ = try RADOSStore(place) }
        place.configuration = folder.path + "/none"
        expect(.notFound, about: "/none cannot be read") { _ = try RADOSStore(place) }
        expect(.notFound, about: "no pool nowhere") {
            _ = try RADOSStore(cluster.place(pool: "nowhere"))
        }
    }

    @Test func aPlaceIsWhatItsURISays() throws {
        let place = try #require(
            RADOSPlace(uri: "rados://pool/a/b?id=me&conf=/etc/c.conf&timeout=7"))
        let expected = RADOSPlace(
            pool: "pool", prefix: "a/b", user: "me", configuration: "/etc/c.conf", timeout: 7)
        #expect(place == expected)
        #expect("\(place)" == "rados://pool/a/b")
        let usual = try #require(RADOSPlace(uri: "rados://pool/a", configuration: "/x"))
        #expect(usual == RADOSPlace(pool: "pool", prefix: "a", configuration: "/x"))
        for wrong in [
            "pool/a", "rados://pool", "rados:///a", "rados://pool/", "rados://pool/a//b",
            "rados://pool/a?id", "rados://pool/a?timeout=0", "rados://pool/a?conf=c",
            "rados://pool/a?other=1", "rados://po ol/a",
        ] {
            #expect(RADOSPlace(uri: wrong) == nil, "\(wrong)")
        }
    }

    @Test func aStoreOpenedReadOnlyChangesNothing() throws {
        let place = cluster.place()
        let store = try RADOSStore(place)
        try store.createFile(try name("a/chunk"), length: 10).write([1], at: 0)
        try store.replaceObject(try name("a/object"), with: [2])
        let reader = try RADOSStore(place, readOnly: true)
        #expect(try reader.readObject(try name("a/object"), limit: 1) == [2])
        let file = try reader.openFile(try name("a/chunk"))
        #expect(try file.bytes(1) == [1])
        expect(.readOnly) { try file.write([2], at: 0) }
        expect(.readOnly) { try file.deallocate(at: 0, length: 1) }
        expect(.readOnly) { try reader.remove(try name("a/chunk")) }
        expect(.readOnly) { try reader.removeFolder(try name("a")) }
        expect(.readOnly) { _ = try reader.createFile(try name("b"), length: 1) }
        expect(.readOnly) { try reader.replaceObject(try name("b"), with: []) }
        expect(.readOnly) { _ = try reader.reserve(1, name: try name("b")) }
        expect(.readOnly) { _ = try reader.lockExclusively(holder: "reader") }
    }

    /// Over the ends of pieces, with ranges that were never written.
    @Test func aChunkOfManyPiecesReadsAsOne() throws {
        let store = try cluster.store()
        let length: UInt64 = 3 * Pieces.size + 5000
        let file = try store.createFile(try name("chunk"), length: length)
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 / 7 + 1) }
        let start = 2 * Pieces.size - 3000
        try file.write(bytes, at: start)
        #expect(try file.bytes(10_000, at: start) == bytes)
        #expect(try file.bytes(2, at: start - 2) == [0, 0])
        #expect(try file.bytes(100, at: length - 7).count == 7)
        for _ in 0..<2 {
            file.prefetch(at: start, length: 10_000)
            #expect(try file.bytes(10_000, at: start) == bytes)
        }
        // What was fetched before a write is not read after it, through no handle.
        let other = try store.openFile(try name("chunk"))
        other.prefetch(at: start, length: 3000)
        try file.write([99], at: start)
        #expect(try other.bytes(1, at: start) == [99])
        try file.deallocate(at: Pieces.size, length: 2 * Pieces.size)
        #expect(try file.size() == (length, Pieces.size + 5000))
        #expect(try file.bytes(10_000, at: start).allSatisfy { $0 == 0 })
        // Up to the end, and then from further behind: what is short stays so.
        for first: UInt64 in [1000, 3000] {
            try file.deallocate(at: 3 * Pieces.size + first, length: 5000 - first)
            #expect(try file.size() == (length, Pieces.size + 1000))
        }
    }

    /// Larger than what stands beside a name: the old is there until the new is, and goes then.
    @Test func objectsInPiecesAreReplacedWhole() throws {
        let store = try cluster.store()
        let object = try name("a/object")
        inThreads(3) { thread in
            for round in 1...20 {
                let count = thread == 0 ? 1000 * round : 100_000 + round
                if thread < 2 {
                    try store.replaceObject(
                        object, with: [UInt8](repeating: UInt8(round), count: count))
                } else if let found = try? store.readObject(object, limit: 1 << 20) {
                    #expect(Set(found).count == 1)
                }
            }
        }
        try store.remove(object)
        #expect(try leftOf(store).isEmpty)
    }

    /// The pieces that somebody left who ended in the middle go when the store is taken.
    @Test func whatACrashLeftGoes() throws {
        let place = cluster.place()
        let store = try RADOSStore(place)
        let kept = try name("a/kept")
        try store.createFile(kept, length: 10).write([1], at: 0)
        let found = try #require(try store.folders.find(kept, "find")?.entry.placement)
        // Ended before the journal was struck.
        try store.journal.note(
            Pieces(session: store.session, id: found.id, length: 10), of: kept, "note")
        // Ended before there was a name, or after it was gone.
        let lost = Pieces(session: store.session, id: Entry.newID(), length: 9 << 20)
        try store.journal.note(lost, of: try name("b/lost"), "note")
        try store.writeNew([1, 2, 3], to: lost, "write")
        #expect(try lost.sizes("sizes").count == 1)
        let lock = try store.lockExclusively(holder: "test")
        #expect(try lost.sizes("sizes").isEmpty)
        #expect(try leftOf(store).isEmpty)
        #expect(try store.openFile(kept).bytes(1) == [1])
        lock.release()
    }

    /// Ids in the journal.
    private func leftOf(_ store: RADOSStore) throws -> [String] {
        let journal = KeyedValues(session: store.session, object: "journal")
        return try (journal.all(prefix: "", "list") ?? []).map(\.0)
    }

    @Test func moreNamesThanOneAnswerHoldsAreListed() throws {
        let store = try cluster.store()
        inThreads(8) { thread in
            for number in 0..<150 {
                try store.replaceObject(try name("a/n-\(thread)-\(number)"), with: [1])
            }
        }
        #expect(Set(try store.list(try name("a")).map(\.name)).count == 1200)
        try store.removeFolder(try name("a"))
        #expect(try store.list(try name("a")).isEmpty)
    }
}
