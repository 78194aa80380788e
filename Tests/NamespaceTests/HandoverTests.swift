import DiskFormat
import Testing

@testable import Namespace

/// What a tree goes on with in another process.
struct HandoverTests {
    @Test func everyNodeIsReadAsItIsWritten() throws {
        let disk = DiskID(random: Array(0..<20))
        let snapshot = SnapshotID(random: Array(20..<40))
        let base = SnapshotID(random: Array(40..<60))
        let instance = InstanceID(random: Array(60..<80))
        let nodes: [Node] = [
            .disk(disk), .snapshot(snapshot), .sealedSnapshot(snapshot), .snapshotInfo(snapshot),
            .sealedDifference(snapshot, since: base), .instance(instance), .trace(disk),
        ]
        for node in nodes { #expect(Node(text: node.text) == node) }
        #expect(Set(nodes.map(\.text)).count == nodes.count)
        // Those that are always there have numbers of their own.
        for node in [Node.root, .control, .disks, .traces] { #expect(Node(text: node.text) == nil) }
        for text in ["", "disk", "disk d-1", "sealed \(snapshot.text) x", "room 7"] {
            #expect(Node(text: text) == nil)
        }
    }

    @Test func numbersStayAndAreNeverUsedAgain() {
        let before = InodeTable()
        let disk = Node.disk(DiskID(random: Array(0..<20)))
        let other = Node.disk(DiskID(random: Array(20..<40)))
        let number = before.number(of: disk)
        let stale = before.number(of: other)
        _ = before.retire(other)
        let own = before.ownNumber(of: .control)
        let after = InodeTable(before.handover)
        #expect(after.number(of: disk) == number)
        #expect(after.node(number) == disk)
        #expect(after.node(stale) == nil)
        let new = after.number(of: other)
        #expect(new != stale && new != number)
        #expect(after.ownNumber(of: .control) != own)
        #expect(after.number(of: .root) == InodeTable.root)
    }
}
