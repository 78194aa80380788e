import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// A copy of the store that went on elsewhere, so far that nothing in it is older than what the
/// anchor knows: only the session by which the anchor knows a disk tells them apart.
@Suite struct AnchorForkTests {
    private let size = 1 << 20

    /// Overwrites the whole disk in sessions of their own until no record is left but those that
    /// must be. How many sessions are recorded then.
    private func goOn(_ id: DiskID, _ rig: AnchorRig, seeds: Range<UInt64>) throws -> [UInt64] {
        for seed in seeds {
            try rig.session(id) { disk in
                try disk.put(pattern(size, seed: seed), at: 0)
                try disk.checkpoint()
                try disk.put(pattern(4096, seed: seed), at: 0)
                try disk.checkpoint()
            }
        }
        let store = try rig.open()
        let disk = try store.attach(id)
        store.reclaimer.waitUntilIdle()
        _ = try store.reclaim(disk.lineage.id)
        let numbers = disk.lineage.sessions(of: id).map(\.number)
        try store.close()
        return numbers
    }

    @Test func aForkWhoseRecordOfTheSessionIsGoneIsRefused() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        try rig.session(id) { try $0.put(pattern(size, seed: 1), at: 0) }
        let (fork, before) = (rig.files.copy(), rig.anchor.bytes)
        try rig.session(id) { try $0.put(pattern(size, seed: 2), at: 0) }
        let known = rig.anchor.bytes

        (rig.files, rig.anchor) = (fork, InMemoryAnchor(before))
        let recorded = try goOn(id, rig, seeds: 10..<16)
        #expect(!recorded.contains(2) && recorded.last ?? 0 > 2, "\(recorded)")
        rig.anchor = InMemoryAnchor(known)
        let content = pattern(size, seed: 15)
        try rig.expectAcceptance(of: id, "is not recorded any more", as: content)
    }

    /// The same without a fork: however far a store goes on whose anchor cannot be written, the
    /// record stays by which the anchor knows the disk, and nobody is refused.
    @Test func theRecordStaysWhileTheAnchorLags() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        try rig.session(id) { try $0.put(pattern(size, seed: 1), at: 0) }
        let store = try rig.open()
        let disk = try store.attach(id)
        rig.anchor.fail(with: DiskError(.noSpace, "no room"))
        for seed in UInt64(2)..<6 {
            try disk.put(pattern(size, seed: seed), at: 0)
            try disk.checkpoint()
            try disk.checkpoint()
            store.reclaimer.waitUntilIdle()
            _ = try store.reclaim(disk.lineage.id)
        }
        #expect(disk.lineage.sessions(of: id).map(\.number) == [1, 2])
        let (killed, known) = (rig.files.copy(), rig.anchor.bytes)
        rig.anchor.fail(with: nil)
        try store.close()
        (rig.files, rig.anchor) = (killed, InMemoryAnchor(known))
        try rig.expectContent(of: id, pattern(size, seed: 5))
        let recorded = try goOn(id, rig, seeds: 20..<24)
        #expect(!recorded.contains(1), "\(recorded): the record goes when the anchor has followed")
    }
}
