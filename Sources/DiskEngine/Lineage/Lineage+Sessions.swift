import CryptoPrimitives
import DiskFormat

// Sessions: who may make which chunks, and who must have written what an address names.
//
// A number is given out once, for ever: a session gets a range of numbers before it uses the first,
// and what any session was ever given is never given again, whatever became of the chunks. The
// record is the lineage's manifest, which no disk's manifest can take back.
//
// An address is followed only to the session it was written under: what a manifest names carries
// the session's stamp, and what a map page names belongs to no later session than the page. So
// where manifests of two histories are mixed, the answer is damage, never another content.
extension Lineage {
    /// Numbers of chunks given to a session at a time: enough that the lineage's manifest is
    /// written rarely, few enough that the 32 bits of a sequence last.
    static let sequencesPerGrant: UInt32 = 64

    /// A disk's sessions, oldest first.
    func sessions(of disk: DiskID) -> [LineageManifest.Session] {
        withManifest { $0.sessions.filter { $0.disk == disk } }
    }

    /// The session that owns a chunk's number. Throws `.damaged` if none was ever given it.
    func session(owning chunk: ChunkNumber) throws -> LineageManifest.Session {
        guard let owner = table.owner(of: chunk) else {
            throw DiskError(
                .damaged, "chunk \(chunk) of lineage \(id) belongs to no session of its manifest")
        }
        return owner
    }

    /// Records a new session of `disk`, with a salt drawn for it and numbers from `floor` on, or
    /// from where the lane's numbers were never given out. When this returns, the record is
    /// durable: no slot of the session was sealed before.
    func beginSession(
        of disk: DiskID, lane: UInt16, floor: UInt32, previousEnd: LogPosition?
    ) throws -> LineageManifest.Session {
        let salt = try environment.entropy.bytes(LineageKeys.saltSize)
        return try update { manifest in
            let given = manifest.sessions.last { $0.lane == lane }?.endSequence ?? 1
            let first = max(floor, given)
            let session = LineageManifest.Session(
                number: manifest.nextSession, disk: disk, lane: lane, firstSequence: first,
                endSequence: try Self.grant(from: first, to: disk), salt: HexBytes(salt),
                previousEnd: previousEnd)
            manifest.nextSession += 1
            manifest.sessions.append(session)
            return session
        }
    }

    /// More numbers for a session that has used up its own. Durable when this returns. Whoever
    /// writes waits for it: it does not wait for chunks that a store has still to put somewhere.
    func extend(_ session: LineageManifest.Session) throws -> LineageManifest.Session {
        try update(isSelfContained: true) { manifest in
            guard let index = manifest.sessions.lastIndex(where: { $0.number == session.number })
            else { throw DiskError(.damaged, "session \(session.number) has lost its record") }
            manifest.sessions[index].endSequence = try Self.grant(
                from: manifest.sessions[index].endSequence, to: session.disk)
            return manifest.sessions[index]
        }
    }

    private static func grant(from first: UInt32, to disk: DiskID) throws -> UInt32 {
        guard first < ChunkNumber.maximumSequence else {
            throw DiskError(
                .limit,
                "disk \(disk) has used up the numbers of its chunks; create a new disk from a"
                    + " snapshot")
        }
        return min(ChunkNumber.maximumSequence, first + sequencesPerGrant)
    }

    /// Forgets sessions none of whose chunks is needed or there any more. The last of each lane
    /// stays, to tell how far its numbers went.
    func prune(_ isNeeded: (LineageManifest.Session) -> Bool) throws {
        func pruned(_ sessions: [LineageManifest.Session]) -> [LineageManifest.Session] {
            var last: [UInt16: UInt64] = [:]
            for session in sessions { last[session.lane] = session.number }
            return sessions.filter { last[$0.lane] == $0.number || isNeeded($0) }
        }
        let hasRubbish = withManifest { pruned($0.sessions).count < $0.sessions.count }
        if hasRubbish { try update { $0.sessions = pruned($0.sessions) } }
    }

    // MARK: Following addresses

    /// The stamp for a state whose map has its root at `root`.
    func stamp(ofRoot root: BlockAddress) throws -> SessionStamp? {
        root.isHole ? nil : try session(owning: root.chunk).stamp
    }

    /// Throws `.damaged` unless the state is one of this history of the lineage: the session that
    /// wrote its root is the one that owns the root's chunk.
    func check(_ state: DiskState, of what: @autoclosure () -> String) throws {
        guard try stamp(ofRoot: state.root) == state.session else {
            throw DiskError(
                .damaged,
                "\(what()) names chunk \(state.root.chunk) of lineage \(id), which another session"
                    + " has since been given: parts of the store were put back from a copy")
        }
    }

    /// Checks the addresses in a map page that was read from `address`.
    func checkAddresses(in entries: UnsafePointer<UInt64>, at address: BlockAddress) throws {
        let table = table
        let limit = try session(owning: address.chunk).number
        var last = address.chunk
        for index in 0..<MapGeometry.fanOut where entries[index] != 0 {
            let chunk = BlockAddress(rawValue: entries[index]).chunk
            if chunk == last { continue }
            guard let owner = table.owner(of: chunk), owner.number <= limit else {
                throw DiskError(
                    .damaged,
                    "map page at \(address) of lineage \(id) names chunk \(chunk), which was not"
                        + " any session's when the page was written: parts of the store were put"
                        + " back from a copy, or are missing")
            }
            last = chunk
        }
    }
}
