import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// That `AttackRun` sees what it looks for: each of these succeeds where the matrix would not.
extension AttackTests {
    @Test(arguments: ["earlier", "fork", "middle"])
    func anotherStateIsSeen(time: String) throws {
        let files = ["earlier": rig.earlier, "fork": rig.fork, "middle": rig.middle][time]!
        let run = AttackRun(rig, isAnchored: false)
        // Without an anchor that is taken, and is not the newest state.
        try withKnownIssue {
            _ = try run([
                Attack(name: "all of \(time)", lineages: rig.lineages) { store in
                    try store.take(from: files) { _ in true }
                }
            ])
        } matching: {
            "\($0)".contains("wrong data")
        }
    }

    @Test func aRefusalThatDoesNotComeIsSeen() throws {
        var attack = Attack(name: "nothing", lineages: rig.lineages) { _ in }
        attack.refusedAnyway = [rig.alpha]
        try withKnownIssue {
            _ = try AttackRun(rig, isAnchored: true)([attack])
        } matching: {
            "\($0)".contains("not refused")
        }
    }

    @Test func damageElsewhereIsSeen() throws {
        let chunk = try #require(rig.chunks(of: rig.beta).first)
        try withKnownIssue {
            _ = try AttackRun(rig, isAnchored: true)([
                Attack(name: "elsewhere", lineages: [rig.lineage(rig.alpha)]) {
                    try $0.remove(path: chunk)
                }
            ])
        } matching: {
            "\($0)".contains("not touched") || "\($0)".contains("snapshot of")
                || "\($0)".contains("disk beta")
        }
    }

    /// An honest store whose disk has content that is none of the rig's.
    @Test func bytesThatNobodyWroteAreSeen() throws {
        try withKnownIssue {
            _ = try AttackRun(rig, isAnchored: false)([
                Attack(name: "written to", lineages: rig.lineages) { files in
                    let store = try AttackRig.open(files, nil, rig.keys)
                    try store.attach(rig.plain).put(pattern(4096, seed: 4), at: 0)
                    try store.close()
                }
            ])
        } matching: {
            "\($0)".contains("bytes nobody wrote") || "\($0)".contains("wrong data")
        }
    }
}
