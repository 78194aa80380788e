import ChunkStore
import CryptoPrimitives
import DiskFormat
import Testing

@testable import DiskEngine

/// One attack: what is done to a copy of the rig's store, and what must hold then.
struct Attack {
    /// Which states a disk of a touched lineage may be at where there is no anchor.
    enum Reach {
        case newest
        /// Any that it really had.
        case past
        /// Any that it had on the fork too.
        case fork
    }

    let name: String
    /// The lineages it touches; all others must read as ever.
    let lineages: Set<LineageID>
    var reach = Reach.newest
    /// Disks whose attach must be refused where there is an anchor, and where there is none.
    var refused: Set<DiskID> = []
    var refusedAnyway: Set<DiskID> = []
    /// What the refusal must be, if that is certain.
    var code: DiskError.Code?
    let apply: (MemoryStore) throws -> Void
}

/// What an attacked store gave, and what it did not.
struct AttackFinding {
    /// Why the store could not be opened.
    var store: DiskError?
    var attaches: [DiskID: DiskError] = [:]
    var snapshots: [SnapshotID: DiskError] = [:]
    /// Blocks and sealed files that could not be read.
    var damaged = 0

    var isClean: Bool {
        store == nil && attaches.isEmpty && snapshots.isEmpty && damaged == 0
    }
}

/// Runs attacks and checks what always holds: whatever is read is what was there, of one moment;
/// whatever is not is refused with an error of the few that say so; and the rest is as ever.
struct AttackRun {
    let rig: AttackRig
    let isAnchored: Bool
    private let location: SourceLocation

    init(
        _ rig: AttackRig, isAnchored: Bool, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        self.rig = rig
        self.isAnchored = isAnchored
        location = sourceLocation
    }

    /// How many of the attacks were noticed by what they touched.
    func callAsFunction(_ attacks: [Attack]) throws -> Int {
        var noticed = 0
        for attack in attacks {
            let files = rig.now.copy()
            try attack.apply(files)
            let finding = examine(files, attack)
            if !finding.isClean { noticed += 1 }
            let refused = attack.refusedAnyway.union(isAnchored ? attack.refused : [])
            for id in refused where finding.store == nil {
                let error = finding.attaches[id]
                #expect(error != nil, "\(attack.name): not refused", sourceLocation: location)
                if let code = attack.code {
                    #expect(
                        error?.code == code, "\(attack.name): \(error as Any)",
                        sourceLocation: location)
                }
            }
        }
        return noticed
    }

    private static let refusals: Set<DiskError.Code> = [
        .damaged, .rolledBack, .keyRefused, .notFound, .keyRequired, .unsupported,
    ]

    private func note(_ error: any Error, _ what: String) -> DiskError {
        let found = error as? DiskError
        #expect(
            found.map { Self.refusals.contains($0.code) } ?? false, "\(what): \(error)",
            sourceLocation: location)
        return found ?? DiskError(.io, "\(error)")
    }

    private func examine(_ files: MemoryStore, _ attack: Attack) -> AttackFinding {
        var finding = AttackFinding()
        do {
            let anchor = isAnchored ? InMemoryAnchor(rig.anchor) : nil
            let store = try AttackRig.open(files, anchor, rig.keys)
            defer { try? store.close() }  // what a damaged store says of its end is not asked here
            for id in rig.disks.keys.sorted() { attach(id, in: store, attack, &finding) }
            for id in rig.snapshots.keys.sorted() { open(id, in: store, attack, &finding) }
            goOn(store, attack)
        } catch {
            finding.store = note(error, attack.name)
            #expect(
                attack.lineages == rig.lineages, "\(attack.name): the store: \(error)",
                sourceLocation: location)
        }
        return finding
    }

    private func attach(
        _ id: DiskID, in store: Store, _ attack: Attack, _ finding: inout AttackFinding
    ) {
        let past = rig.disks[id]!  // one of its keys
        let isTouched = attack.lineages.contains(past.lineage)
        let what = "\(attack.name): disk \(name(id))"
        do {
            let disk = try store.attach(id)
            let found = try read(what) { try disk.bytes(UInt64($0 * 4096), $1 * 4096) }
            finding.damaged += found.count { $0 == nil }
            let allowed = isTouched ? allowed(of: past, attack) : [past.newest]
            let isRight = allowed.contains { state in
                zip(found, state).allSatisfy { $0 == nil || $0 == $1 }
            }
            #expect(isRight, "\(what): wrong data", sourceLocation: location)
            #expect(
                isTouched || !found.contains(nil), "\(what): was not touched",
                sourceLocation: location)
        } catch {
            finding.attaches[id] = note(error, what)
            #expect(isTouched, "\(what): \(error)", sourceLocation: location)
        }
    }

    private func allowed(of disk: AttackedDisk, _ attack: Attack) -> [BlockState] {
        if isAnchored || attack.reach == .newest { return [disk.newest] }
        return disk.states.reversed() + (attack.reach == .fork ? disk.forkStates : [])
    }

    private func open(
        _ id: SnapshotID, in store: Store, _ attack: Attack, _ finding: inout AttackFinding
    ) {
        let snapshot = rig.snapshots[id]!  // one of its keys
        let isTouched = attack.lineages.contains(snapshot.lineage)
        let what = "\(attack.name): snapshot of \(snapshot.lineage)"
        do {
            let found = try content(of: id, in: store, what)
            finding.damaged += found.count { $0 == nil }
            #expect(isRight(found, snapshot.content), "\(what)", sourceLocation: location)
            #expect(isTouched || !found.contains(nil), "\(what)", sourceLocation: location)
            do {
                let sealed = try store.openSealedSnapshot(id)
                defer { sealed.close() }
                let digest = try SHA256.hash(sealed.bytes())
                #expect(digest == snapshot.digest, "\(what): sealed", sourceLocation: location)
            } catch {
                _ = note(error, "\(what): sealed")
                finding.damaged += 1
                #expect(isTouched, "\(what): \(error)", sourceLocation: location)
            }
        } catch {
            finding.snapshots[id] = note(error, what)
            #expect(isTouched, "\(what): \(error)", sourceLocation: location)
        }
    }

    private func content(of id: SnapshotID, in store: Store, _ what: String) throws -> [UInt64?] {
        let reader = try store.openSnapshot(id)
        defer { reader.close() }
        return try read(what) { try reader.bytes($0 * 4096, $1 * 4096) }
    }

    private func isRight(_ found: [UInt64?], _ content: BlockState) -> Bool {
        zip(found, content).allSatisfy { $0 == nil || $0 == $1 }
    }

    /// The disks that attached are written to, all of each: no snapshot may show what is written.
    private func goOn(_ store: Store, _ attack: Attack) {
        for disk in store.attachedDisks() {
            let seed = UInt64(disk.id.text.utf8.reduce(7) { $0 &* 31 &+ Int($1) } & 0xFFFF)
            let bytes = pattern(AttackRig.blocks * 4096, seed: seed)
            do {
                try disk.put(bytes, at: 0)
                try disk.flush()
                #expect(try disk.bytes() == bytes, "\(attack.name)", sourceLocation: location)
            } catch {
                _ = note(error, "\(attack.name): going on")
            }
        }
        for (id, snapshot) in rig.snapshots {
            let what = "\(attack.name): snapshot after more writes"
            guard let found = try? content(of: id, in: store, what) else { continue }
            #expect(isRight(found, snapshot.content), "\(what)", sourceLocation: location)
        }
    }

    /// The content of each block by its number; nil: it could not be read.
    private func read(_ what: String, _ bytes: (Int, Int) throws -> [UInt8]) throws -> [UInt64?] {
        if let all = try? bytes(0, AttackRig.blocks) {
            return (0..<AttackRig.blocks).map { number(all[$0 * 4096..<($0 + 1) * 4096], what) }
        }
        return (0..<AttackRig.blocks).map { block in
            do {
                return number(try bytes(block, 1)[...], what)
            } catch {
                _ = note(error, what)
                return nil
            }
        }
    }

    private func number(_ block: ArraySlice<UInt8>, _ what: String) -> UInt64? {
        let number = rig.content.number(of: block)
        // No number is that high: so it equals no state.
        if number == nil { Issue.record("\(what): bytes nobody wrote", sourceLocation: location) }
        return number ?? .max
    }

    private func name(_ id: DiskID) -> String {
        switch id {
        case rig.alpha: "alpha"
        case rig.beta: "beta"
        case rig.clone: "clone"
        default: "plain"
        }
    }
}

extension SnapshotReader {
    fileprivate func bytes(_ offset: Int, _ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: UInt64(offset)) }
        return bytes
    }
}
