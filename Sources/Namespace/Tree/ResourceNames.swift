/// The names under which the resources of one kind show: a resource's own name where only it has
/// that name, else its id. Both resolve, and an id always.
///
/// That a name can stand in a folder, and is no id, the control plane has seen to (`givenName`).
struct ResourceNames<ID: Hashable & Sendable & CustomStringConvertible>: Sendable {
    /// In the order of the resources.
    let shown: [(name: String, id: ID)]
    /// Every name that resolves: those that show, and the ids.
    let resolvable: [String: ID]

    init(_ resources: [(id: ID, name: String?)]) {
        var uses: [String: Int] = [:]
        for case (_, let name?) in resources { uses[name, default: 0] += 1 }
        var shown: [(name: String, id: ID)] = []
        var resolvable: [String: ID] = [:]
        for resource in resources {
            let id = resource.id.description
            let unique = resource.name.flatMap { uses[$0] == 1 ? $0 : nil }
            shown.append((unique ?? id, resource.id))
            resolvable[unique ?? id] = resource.id
            resolvable[id] = resource.id
        }
        self.shown = shown
        self.resolvable = resolvable
    }

    func id(named name: String) -> ID? { resolvable[name] }
}
