/// The folders of the simulated host: which names there are, and which of them are on the medium.
///
/// What was done to names since a folder's last sync is in the journal; a loss of power keeps any
/// part of it, but for each name a beginning of what happened to it, and a rename whole or not.
struct SimulatedNames {
    typealias Node = UInt64

    struct Place: Hashable {
        let folder: Node
        let name: String
    }

    private struct Change {
        let time: Int
        let effects: [(place: Place, node: Node?)]
    }

    static let root: Node = 1

    private(set) var memory: [Place: Node] = [:]
    private var medium: [Place: Node] = [:]
    private var journal: [Change] = []

    func node(_ place: Place) -> Node? { memory[place] }

    /// In memory or on the medium.
    func isNamed(_ node: Node) -> Bool {
        memory.values.contains(node) || medium.values.contains(node)
    }

    func names(in folder: Node) -> [(name: String, node: Node)] {
        memory.filter { $0.key.folder == folder }
            .map { ($0.key.name, $0.value) }
            .sorted { $0.name < $1.name }
    }

    mutating func change(_ effects: [(place: Place, node: Node?)], time: Int) {
        for effect in effects { memory[effect.place] = effect.node }
        journal.append(Change(time: time, effects: effects))
    }

    /// The names in a folder are on the medium, with what they depend on.
    mutating func synchronize(_ folder: Node) {
        keep { change in change.effects.contains { $0.place.folder == folder } }
    }

    mutating func losePower(_ generator: inout SeededGenerator) {
        switch generator.next() % 8 {
        case 0...1: break
        case 2: keep { _ in true }
        case 3...4:
            if let time = generator.pick(journal.map(\.time)) { keep { $0.time <= time } }
        default:
            var kept: Set<Int> = []
            for change in journal where generator.chance(50) { kept.insert(change.time) }
            keep { kept.contains($0.time) }
        }
        memory = medium
        journal = []
    }

    /// Every node that a name leads to.
    func reachable() -> Set<Node> {
        var found: Set<Node> = [Self.root]
        var grows = true
        while grows {
            grows = false
            for (place, node) in memory where found.contains(place.folder) {
                if found.insert(node).inserted { grows = true }
            }
        }
        return found
    }

    mutating func forget(allBut nodes: Set<Node>) {
        memory = memory.filter { nodes.contains($0.key.folder) }
        medium = memory
    }

    /// Puts the wanted changes on the medium, and what came before them to the same names.
    private mutating func keep(_ isWanted: (Change) -> Bool) {
        var needed: Set<Place> = []
        var kept: [Change] = []
        var left: [Change] = []
        for change in journal.reversed() {
            let places = change.effects.map(\.place)
            if isWanted(change) || places.contains(where: needed.contains) {
                needed.formUnion(places)
                kept.append(change)
            } else {
                left.append(change)
            }
        }
        for change in kept.reversed() {
            for effect in change.effects { medium[effect.place] = effect.node }
        }
        journal = left.reversed()
    }
}
