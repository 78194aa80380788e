import ArgumentParser
import ControlPlane
import Glibc

/// How a list is shown: which columns, in which order, how often. All lists have these.
struct ListOptions: ParsableArguments {
    @Option(
        name: [.customShort("o"), .long],
        help: ArgumentHelp(
            "Show these columns; +NAME adds to the usual ones.", valueName: "name,…"))
    var columns: String?

    @Option(
        help: ArgumentHelp(
            "Sort by this column; NAME:desc for the last first.", valueName: "name"))
    var sort: String?

    @Flag(name: .shortAndLong, help: "Print names alone, one a line.")
    var quiet = false

    @Flag(help: "Print no titles above the columns.")
    var noHeader = false

    @OptionGroup var watching: WatchOptions

    func validate() throws {
        guard !(quiet && columns != nil) else {
            throw ValidationError("--quiet prints names alone: leave out --columns.")
        }
    }

    /// Prints the resources. `usual` is the table when nobody says which columns, for a width.
    func show(_ rows: [JSON], of list: ResourceList, usual: ([JSON], Int?) -> Table)
        throws(Failure)
    {
        let rows = try sorted(rows, list)
        if quiet {
            for row in rows { print(Table.printable(list.columns[0].text(row))) }
            return
        }
        let width = Terminal.width
        guard let chosen = try chosen(of: list) else {
            return Terminal.show(usual(rows, width), withTitles: !noHeader)
        }
        let table = Table(
            chosen.map(\.column), rows: rows.map { row in chosen.map { $0.text(row) } })
        Terminal.show(table, withTitles: !noHeader)
    }

    /// Throws what is misspelt, before anybody is asked.
    func check(_ list: ResourceList) throws(Failure) {
        _ = try chosen(of: list)
        _ = try order(of: list)
    }

    func chosen(of list: ResourceList) throws(Failure) -> [ListColumn]? {
        guard let columns else { return nil }
        let isAddition = columns.hasPrefix("+")
        var chosen: [ListColumn] = isAddition ? list.usual : []
        for name in (isAddition ? columns.dropFirst() : columns[...]).split(separator: ",") {
            chosen.append(try list.column(String(name), of: "--columns"))
        }
        guard !chosen.isEmpty else {
            throw Failure(.invalid, "--columns names no column.", advice: list.advice)
        }
        return chosen
    }

    private func order(of list: ResourceList) throws(Failure) -> (ListColumn, isDown: Bool)? {
        guard let sort else { return nil }
        let isDown = sort.hasSuffix(":desc")
        let name = isDown ? String(sort.dropLast(5)) : sort
        return (try list.column(name, of: "--sort"), isDown)
    }

    /// What is equal stays in the order it came, by creation.
    func sorted(_ rows: [JSON], _ list: ResourceList) throws(Failure) -> [JSON] {
        guard let (column, isDown) = try order(of: list) else { return rows }
        let keys = rows.map(column.key)
        let order = rows.indices.sorted { a, b in
            keys[a] == keys[b] ? a < b : isDown ? keys[a] > keys[b] : keys[a] < keys[b]
        }
        return order.map { rows[$0] }
    }
}

/// What a list may show of its resources.
struct ResourceList: Sendable {
    /// All columns; the first is the name.
    let columns: [ListColumn]
    /// Names of those that are shown when nobody says which.
    let usualNames: [String]

    var usual: [ListColumn] {
        usualNames.compactMap { name in columns.first { $0.name == name } }
    }

    var advice: String {
        "Columns are \(columns.map(\.name).joined(separator: ", "))."
    }

    func column(_ name: String, of option: String) throws(Failure) -> ListColumn {
        if let found = columns.first(where: { $0.name == name.lowercased() }) { return found }
        let near = Suggestion.nearest(to: name, among: columns.map(\.name))
        throw Failure(
            .invalid, "\(option): there is no column '\(name)'.",
            advice: (near.map { "Did you mean '\($0)'? " } ?? "") + advice)
    }

    /// The usual columns, cut to a width.
    func table(_ rows: [JSON], _ width: Int?) -> Table {
        Table(usual.map(\.column), rows: rows.map { row in usual.map { $0.text(row) } })
    }
}
