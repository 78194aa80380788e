import ChunkStore
import Testing

@Suite("Contract: objects and names")
struct ObjectContract {
    @Test(arguments: StoreKind.allCases)
    func anObjectIsWhatItWasLastReplacedWith(kind: StoreKind) throws {
        try kind.withStore { store in
            let object = try name("a/manifest.json")
            expect(.notFound, about: "a/manifest.json") {
                _ = try store.readObject(object, limit: 10)
            }
            for bytes: [UInt8] in [[1, 2, 3], [], [UInt8](repeating: 5, count: 70_000), [4]] {
                try store.replaceObject(object, with: bytes)
                #expect(try store.readObject(object, limit: 70_000) == bytes)
            }
            try store.remove(object)
            expect(.notFound) { _ = try store.readObject(object, limit: 10) }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func anObjectAboveTheLimitIsRefused(kind: StoreKind) throws {
        try kind.withStore { store in
            let object = try name("manifest")
            try store.replaceObject(object, with: [1, 2, 3])
            #expect(try store.readObject(object, limit: 3) == [1, 2, 3])
            expect(.tooLarge, about: "manifest") { _ = try store.readObject(object, limit: 2) }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aReaderSeesTheOldObjectOrTheNewOne(kind: StoreKind) throws {
        try kind.withStore { store in
            let object = try name("a/manifest")
            try store.replaceObject(object, with: [0])
            inThreads(4) { thread in
                for round in 1...100 {
                    if thread == 0 {
                        let bytes = [UInt8](repeating: UInt8(round), count: 1 + round * 131)
                        try store.replaceObject(object, with: bytes)
                    } else {
                        let bytes = try store.readObject(object, limit: 1 << 20)
                        let value = bytes.first ?? 0
                        let whole = [UInt8](repeating: value, count: 1 + Int(value) * 131)
                        #expect(bytes == whole)
                    }
                }
            }
            #expect(try store.readObject(object, limit: 1 << 20).first == 100)
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aFolderListsWhatIsDirectlyBelowIt(kind: StoreKind) throws {
        try kind.withStore { store in
            #expect(try store.list(try name("a")) == [])
            try store.replaceObject(try name("a/object"), with: [])
            _ = try store.createFile(try name("a/b/chunk"), length: 1)
            _ = try store.createFile(try name("ab/other"), length: 1)
            let expected: Set = [
                StoreEntry(name: "object", isFolder: false), StoreEntry(name: "b", isFolder: true),
            ]
            #expect(Set(try store.list(try name("a"))) == expected)
            #expect(try store.list(try name("a")).count == 2)
            #expect(try store.list(try name("a/none")) == [])
            try store.remove(try name("a/b/chunk"))
            if kind.hasFolders { #expect(Set(try store.list(try name("a"))) == expected) }
            #expect(try store.list(try name("a/b")) == [])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func aFolderIsRemovedWithAllThatIsInIt(kind: StoreKind) throws {
        try kind.withStore { store in
            let open = try store.createFile(try name("a/b/c/chunk"), length: 3)
            try store.replaceObject(try name("a/b/object"), with: [1])
            try store.replaceObject(try name("a/bystander"), with: [2])
            try store.removeFolder(try name("a/b"))
            try store.removeFolder(try name("a/b"))
            try store.removeFolder(try name("none/at/all"))
            let left = try store.list(try name("a"))
                .filter { !(kind.showsEmptyFolders && $0.isFolder) }
            #expect(left.map(\.name) == ["bystander"])
            expect(.notFound) { _ = try store.openFile(try name("a/b/c/chunk")) }
            try open.write([1], at: 0)
            #expect(try open.bytes(3) == [1, 0, 0])
            _ = try store.createFile(try name("a/b/c/chunk"), length: 1)
        }
    }

    @Test(arguments: StoreKind.allCases.filter(\.hasFolders))
    func filesAndFoldersDoNotStandInForEachOther(kind: StoreKind) throws {
        try kind.withStore { store in
            try store.replaceObject(try name("a/file"), with: [1])
            let below = try name("a/file/below")
            expect(.foreign) { _ = try store.createFile(below, length: 1) }
            expect(.foreign) { try store.replaceObject(below, with: []) }
            expect(.foreign) { _ = try store.list(try name("a/file")) }
            expect(.foreign) { try store.removeFolder(try name("a/file")) }
            expect(.foreign) { try store.replaceObject(try name("a"), with: []) }
            expect(.foreign) { try store.remove(try name("a")) }
            expect(.foreign) { _ = try store.openFile(try name("a")) }
            #expect(try store.readObject(try name("a/file"), limit: 1) == [1])
            #expect(try store.list(try name("a")).count == 1)
        }
    }

    @Test(arguments: [
        "", ".", "..", "/", "/a", "a/", "a//b", ".a", "a/.b", "a/../b", "a b", "a\0b", "ä", "a\\b",
        "a\n", String(repeating: "a", count: 1025),
    ])
    func aNameThatCouldLeadElsewhereIsNoName(path: String) {
        #expect(ObjectName(path) == nil)
    }

    @Test(arguments: ["a", "A-Z_0.9", "a/b.c/d..e", String(repeating: "a", count: 1024)])
    func anOrdinaryNameIsOne(path: String) throws {
        #expect(try name(path).path == path)
    }
}
