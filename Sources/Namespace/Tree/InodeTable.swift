import Synchronization

/// Inode numbers of nodes.
///
/// Invariants: a number names one node for ever and is never used again, so that what the kernel
/// still holds under an old number (pages, names, lookups) can only become stale, never wrong; and
/// a number that is not in the table is stale. No lookup counts are needed for that: the table has
/// one number a node, and the kernel may forget and remember it as it likes. (What `control` and
/// `import` have besides are numbers that say by themselves what they stand for.)
final class InodeTable: Sendable {
    static let root: UInt64 = 1
    /// Numbers below this stand for the nodes that are always there.
    private static let firstDynamic: UInt64 = 16
    /// Numbers from here on stand for `control` if they are even, for `import` if they are odd.
    private static let firstOfOwn: UInt64 = 1 << 62

    private struct State {
        var next = InodeTable.firstDynamic
        var numbers: [Node: UInt64] = [:]
        var nodes: [UInt64: Node] = [:]
        var nextOwn = InodeTable.firstOfOwn

        mutating func assign(_ number: UInt64, to node: Node) {
            numbers[node] = number
            nodes[number] = node
        }

        mutating func assignNext(to node: Node) -> UInt64 {
            defer { next += 1 }
            assign(next, to: node)
            return next
        }

        mutating func retire(_ node: Node) -> UInt64? {
            guard let old = numbers.removeValue(forKey: node) else { return nil }
            nodes[old] = nil
            return old
        }
    }

    private let state: Mutex<State>

    /// `earlier`: what numbers stood for in another tree of the same mount.
    init(_ earlier: InodeState? = nil) {
        var state = State()
        let constant: [Node] = [
            .root, .control, .status, .disks, .snapshots, .intake, .instances, .metrics,
            .traces,
        ]
        for (offset, node) in constant.enumerated() {
            state.assign(Self.root + UInt64(offset), to: node)
        }
        if let earlier {
            for (number, text) in earlier.nodes {
                if let node = Node(text: text) { state.assign(number, to: node) }
            }
            state.next = max(state.next, earlier.next)
            state.nextOwn = max(state.nextOwn, earlier.nextOwn)
        }
        self.state = Mutex(state)
    }

    /// The numbers as another tree of the same mount goes on with them.
    var handover: InodeState {
        state.withLock { state in
            InodeState(
                next: state.next, nextOwn: state.nextOwn, nodes: state.nodes.mapValues(\.text))
        }
    }

    /// The node's number; a new one if it has none.
    func number(of node: Node) -> UInt64 {
        state.withLock { $0.numbers[node] ?? $0.assignNext(to: node) }
    }

    /// nil: the number is stale.
    func node(_ number: UInt64) -> Node? {
        if number >= Self.firstOfOwn { return number.isMultiple(of: 2) ? .control : .intake }
        return state.withLock { $0.nodes[number] }
    }

    /// A number for one look-up of a node that requests are written to; nil for all other nodes.
    ///
    /// The kernel lets one at a time write to an inode: with one number for all, a request that
    /// takes long would keep every other from even being heard.
    func ownNumber(of node: Node) -> UInt64? {
        guard node == .control || node == .intake else { return nil }
        return state.withLock { state in
            defer { state.nextOwn += 2 }
            return node == .control ? state.nextOwn : state.nextOwn + 1
        }
    }

    /// Makes the node's number stale, and returns it; the next `number(of:)` is a new one.
    func retire(_ node: Node) -> UInt64? {
        state.withLock { $0.retire(node) }
    }
}
