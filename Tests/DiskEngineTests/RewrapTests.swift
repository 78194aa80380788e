import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// Data keys under the CMK's newest version: the same keys, whatever comes between.
@Suite struct RewrapTests {
    private let content = pattern(8192, seed: 1)

    private func wrapped(_ store: Store) -> [LineageID: HexBytes?] {
        store.catalogue.envelopes.mapValues(\.wrappedKey)
    }

    @Test func disksGoOnWhetherAttachedOrNot() throws {
        let harness = try Harness()
        let (attached, detached) = (try harness.disk(), try harness.disk())
        let plain = try harness.disk(encrypted: false)
        for disk in [attached, detached, plain] { try disk.put(content, at: 4096) }
        let taken = try harness.store.createSnapshot(of: attached.id, attributes: [:])
        try harness.store.detach(detached.id)
        #expect(try harness.store.rewrapDataKeys().current == 2)

        let before = wrapped(harness.store)
        #expect(try harness.keys.rotate() == 2)
        let report = try harness.store.rewrapDataKeys()
        #expect(report.rewrapped == 2 && report.current == 0 && report.failures.isEmpty)
        let after = wrapped(harness.store)
        for (id, key) in before where key != nil { #expect(after[id] != key) }
        #expect(harness.store.catalogue.openLineages[detached.lineage.id] == nil)

        try attached.put(content, at: 65_536)
        #expect(try attached.bytes(4096, content.count) == content)
        #expect(try harness.store.attach(detached.id).bytes(4096, content.count) == content)
        let again = try harness.store.rewrapDataKeys()
        #expect(again.rewrapped == 0 && again.current == 2)
        try harness.reopen()
        #expect(wrapped(harness.store) == after)
        let opened = try harness.store.attach(attached.id)
        #expect(try opened.bytes(65_536, content.count) == content)
        let copy = try harness.store.createDisk(from: taken.id, size: nil, attributes: [:])
        #expect(try harness.store.attach(copy.id).bytes(4096, content.count) == content)
        try harness.store.close()
    }

    @Test func copiesFromBeforeStillOpen() throws {
        let harness = try Harness()
        let disk = try harness.disk()
        try disk.put(content, at: 0)
        try harness.store.detach(disk.id)
        let copy = harness.files.copy()
        for _ in 0..<3 {
            try harness.keys.rotate()
            _ = try harness.store.rewrapDataKeys()
        }
        let old = try Store(
            opening: copy, keys: harness.keys, holder: "tests", limits: Harness.smallLimits)
        #expect(try old.attach(disk.id).bytes(0, content.count) == content)
        try old.close()
        try harness.store.close()
    }

    /// The n-th operation on the store fails, for each n; then the power does.
    @Test func anInterruptionIsRepeated() throws {
        var isDone = false
        for fault in 1...200 where !isDone {
            let harness = try FaultHarness()
            try harness.disk.put(content, at: 0)
            try harness.disk.flush()
            let other = try harness.store.createDisk(
                encrypted: true, size: 1 << 20, attributes: [:])
            try harness.keys.rotate()
            harness.files.arm(
                Fault(
                    [.readObject, .replaceObject], call: fault,
                    effect: fault.isMultiple(of: 2) ? .whole : .none))
            do {
                isDone = try harness.store.rewrapDataKeys().rewrapped == 2
            } catch {
                #expect((error as? DiskError)?.code == .io, "\(error)")
            }
            harness.files.disarm()
            let (store, disk) = try harness.afterPowerCut()
            #expect(try disk.bytes(0, content.count) == content)
            let report = try store.rewrapDataKeys()
            #expect(report.rewrapped + report.current == 2)
            #expect(try store.rewrapDataKeys().current == 2)
            #expect(try store.attach(other.id).size == 1 << 20)
            try store.close()
            try? harness.store.close()
        }
        #expect(isDone)
    }

    @Test func theAnchorAgrees() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        let before = rig.files.copy()
        let store = try rig.open()
        try rig.keys.rotate()
        #expect(try store.rewrapDataKeys().rewrapped == 1)
        try store.close()
        try rig.expectContent(of: id, [0, 0])
        rig.files = before
        try rig.expectRefusal(id, "version")
    }

    @Test func oneThatIsRefusedKeepsNoOther() throws {
        let harness = try Harness()
        let disks = [try harness.disk(), try harness.disk()]
        let store = harness.store
        let envelope = try #require(store.catalogue.envelopes[disks[0].lineage.id])
        store.catalogue.envelopes[disks[0].lineage.id] = envelope.rewrapped(
            keyID: try #require(envelope.keyID), [1, 2, 3])
        try harness.keys.rotate()
        let report = try store.rewrapDataKeys()
        #expect(report.rewrapped == 1 && report.failures.count == 1)
        #expect(report.failures.first?.lineage == disks[0].lineage.id.description)
    }

    @Test func aServiceThatDoesNotServeStopsIt() throws {
        let harness = try Harness()
        _ = try harness.disk()
        try harness.keys.rotate()
        harness.keys.setKeyState(.disabled)
        let error = #expect(throws: DiskError.self) { try harness.store.rewrapDataKeys() }
        #expect((error?.cause as? KeyError)?.code == .disabled)
        harness.keys.setKeyState(.enabled)
        #expect(try harness.store.rewrapDataKeys().rewrapped == 1)
    }
}
