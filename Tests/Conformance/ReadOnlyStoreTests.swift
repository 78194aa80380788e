import ChunkStore
import Testing

@testable import DiskEngine

@Suite("ReadOnlyStore: a check changes nothing")
struct ReadOnlyStoreTests {
    @Test(arguments: [ChunkKind.appendable, .whole])
    func versionsAreSeenAndNothingIsReplaced(kind: ChunkKind) throws {
        let memory = MemoryStore(chunkKind: kind)
        let version = try memory.replaceObject(try name("object"), with: [1], if: .absent)
        let store = ReadOnlyStore(base: memory, gauge: CheckGauge { _ in true })
        #expect(store.chunkKind == kind)
        let expected = VersionedObject(bytes: [1], version: version)
        #expect(try store.readVersioned(try name("object"), limit: 1) == expected)
        for condition in [ReplaceCondition.always, .version(version)] {
            expect(.readOnly, about: "replace object") {
                _ = try store.replaceObject(try name("object"), with: [2], if: condition)
            }
        }
        expect(.readOnly, about: "replace other") {
            _ = try store.replaceObject(try name("other"), with: [2], if: .absent)
        }
        #expect(memory.names == ["object"])
        #expect(try memory.readVersioned(try name("object"), limit: 1) == expected)
    }
}
