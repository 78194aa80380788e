import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// Opening a store: what is damaged is told and left alone, and the rest is served.
@Suite struct CatalogueTests {
    private func open(_ files: some ChunkStore, _ rig: TamperRig) throws -> Store {
        try Store(
            opening: files, keys: rig.keys, holder: "tests", limits: Harness.smallLimits)
    }

    /// A copy that is being put back: chunks first, manifests later. Nothing of it may go.
    @Test(arguments: [["chunks"], ["chunks", "lineage.manifest"], ["lineage.manifest"], ["disks"]])
    func ahalfRestoredLineageIsLeftAlone(parts: [String]) throws {
        let rig = try TamperRig(encrypted: true)
        let files = rig.files.copy()
        let folder = StoreLayout.lineage(rig.lineage) + "/"
        for name in files.names where name.hasPrefix(folder) {
            let isRestored = parts.contains { name.dropFirst(folder.count).hasPrefix($0) }
            if !isRestored { try files.remove(rig.name(name)) }
        }
        let before = files.names.filter { $0.hasPrefix(folder) }
        #expect(!before.isEmpty)
        let store = try open(files, rig)
        #expect(store.status().damage.keys.contains("lineage \(rig.lineage)"))
        let made = try store.createDisk(encrypted: false, size: 1 << 20, attributes: [:])
        try store.attach(made.id).put(pattern(4096, seed: 1), at: 0)
        try store.close()
        #expect(files.names.filter { $0.hasPrefix(folder) } == before)
        // The rest of the copy arrives.
        for name in rig.files.names where name.hasPrefix(folder) && name.hasSuffix(".manifest") {
            try files.replaceObject(
                rig.name(name), with: rig.files.readObject(rig.name(name), limit: 1 << 20))
        }
        for name in rig.files.names where name.hasPrefix(folder) && name.hasSuffix(".chunk") {
            if files.names.contains(name) { continue }
            let bytes = try rig.files.bytes(of: rig.name(name))
            _ = try files.createFile(
                rig.name(name), length: UInt64(bytes.count), beginning: bytes)
        }
        #expect(rig.examine(files, "restored").isClean)
    }

    /// What a creation left that was interrupted is marked as such, and goes.
    @Test(arguments: 1...4) func anInterruptedCreationIsClearedAway(call: Int) throws {
        let memory = MemoryStore()
        let files = FaultyStore(memory)
        try Store.create(in: files, account: "a", region: "r")
        let store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t", limits: Harness.smallLimits)
        // Nothing works any more from that call on: as if the process had ended there.
        files.arm(
            Fault(
                [.replaceObject, .remove, .removeFolder], prefix: "lineages/", call: call,
                isLasting: true))
        #expect(throws: DiskError.self) {
            try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:])
        }
        let left = memory.copy()
        try? store.close()
        let again = try Store(
            opening: left, keys: InMemoryKMS(), holder: "t", limits: Harness.smallLimits)
        #expect(again.status().damage.isEmpty)
        #expect(try again.disks().isEmpty)
        again.reclaimer.waitUntilIdle()
        #expect(!left.names.contains { $0.hasPrefix("lineages/") })
        try again.close()
    }

    /// A file where a lineage's folder should be: that lineage is damaged, the others are served.
    @Test func aLineageThatIsNoFolderIsDamaged() throws {
        let rig = try TamperRig(encrypted: true)
        let planted = LineageID(bytes: [UInt8](repeating: 9, count: 16))
        let files = try rig.tampered {
            try $0.replaceObject(rig.name(StoreLayout.lineage(planted)), with: [1])
        }
        let store = try open(files, rig)
        #expect(store.status().damage.keys.contains("lineage \(planted)"))
        try store.close()
        #expect(rig.examine(files, "planted").isClean)
    }

    /// Whatever is no size to grow to is ignored.
    @Test(arguments: ["", "x", #"{"size":-1}"#, #"{"size":4096}"#, #"{"size":4097}"#])
    func aPendingSizeThatMakesNoSenseIsIgnored(text: String) throws {
        let rig = try TamperRig(encrypted: true)
        let files = try rig.tampered {
            try $0.replaceObject(
                rig.name(StoreLayout.pendingSize(rig.lineage, rig.disk)), with: Array(text.utf8))
        }
        let store = try open(files, rig)
        #expect(try store.disk(rig.disk).pendingSize == nil)
        #expect(store.status().damage.isEmpty)
        try store.close()
        #expect(rig.examine(files, text).isClean)
    }

    /// A manifest larger than any that is written is not read.
    @Test func aHugeManifestIsNotRead() throws {
        let rig = try TamperRig(encrypted: false)
        let path = rig.name(StoreLayout.disk(rig.lineage, rig.disk))
        let files = try rig.tampered {
            try $0.mutateFile(path) { bytes in
                bytes += [UInt8](repeating: 32, count: Format.maximumManifestSize)
            }
        }
        let store = try open(files, rig)
        #expect(store.status().damage["disk \(rig.disk)"]?.contains("more than") == true)
        try store.close()
    }
}
