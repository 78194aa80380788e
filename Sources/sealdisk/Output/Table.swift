/// Aligned columns for people.
struct Table {
    enum Alignment { case left, right }

    struct Column {
        let title: String
        let alignment: Alignment
        /// Whether cells may be cut to fit the terminal.
        let mayShrink: Bool

        static func left(_ title: String, mayShrink: Bool = false) -> Column {
            Column(title: title, alignment: .left, mayShrink: mayShrink)
        }

        static func right(_ title: String) -> Column {
            Column(title: title, alignment: .right, mayShrink: false)
        }
    }

    private static let gap = "  "
    /// A column that is cut keeps at least this many characters.
    private static let leastWidth = 8
    /// Up to this width a name is shown whole rather than more about it.
    private static let comfortableWidth = 20

    let columns: [Column]
    let rows: [[String]]

    /// Each row has a cell per column. What could steer a terminal is made visible: names and
    /// descriptions come from records that are not trusted.
    init(_ columns: [Column], rows: [[String]]) {
        self.columns = columns
        self.rows = rows.map { $0.map(Self.printable) }
    }

    /// The lines, each ending in a newline; none without rows. `width` is the terminal's, nil for
    /// as wide as it takes.
    func text(width: Int?, withTitles: Bool = true, isColoured: Bool = false) -> String {
        guard !rows.isEmpty else { return "" }
        let widths = fittingWidths(width)
        let titles = line(of: columns.map(\.title), widths) {
            Colour.bold.paint($1, if: isColoured)
        }
        let lines = rows.map { row in
            line(of: row, widths) { index, text in
                guard isColoured, let colour = Colour.ofState(row[index]) else { return text }
                return colour.paint(text, if: true)
            }
        }
        return ((withTitles ? [titles] : []) + lines).map { $0 + "\n" }.joined()
    }

    /// The first of tables, which tell less and less, that fits `width` with no name cut that is
    /// read easily; the last one if none does, its names cut.
    static func fitting(_ width: Int?, _ tables: [Table]) -> Table {
        guard let width else { return tables[0] }
        return tables.first { $0.leastComfort <= width } ?? tables[tables.count - 1]
    }

    private var leastComfort: Int {
        let widths = zip(columns, naturalWidths).map { column, width in
            column.mayShrink ? min(width, Self.comfortableWidth) : width
        }
        return widths.reduce(Self.gap.count * (columns.count - 1), +)
    }

    private var naturalWidths: [Int] {
        columns.indices.map { index in
            ([columns[index].title] + rows.map { $0[index] }).map(\.count).max() ?? 0
        }
    }

    private func fittingWidths(_ limit: Int?) -> [Int] {
        var widths = naturalWidths
        guard let limit else { return widths }
        func excess() -> Int {
            widths.reduce(Self.gap.count * (columns.count - 1), +) - limit
        }
        while excess() > 0 {
            let widest = columns.indices
                .filter { columns[$0].mayShrink && widths[$0] > Self.leastWidth }
                .max { widths[$0] < widths[$1] }
            guard let widest else { break }
            widths[widest] -= 1
        }
        return widths
    }

    /// `paint` colours a cell, by its column, without what fills it up.
    private func line(
        of cells: [String], _ widths: [Int], _ paint: (Int, String) -> String
    ) -> String {
        var (line, fill) = ("", "")
        for (index, cell) in cells.enumerated() {
            let width = widths[index]
            let shown = cell.count > width ? String(cell.prefix(width - 1) + "…") : cell
            let space = String(repeating: " ", count: width - shown.count)
            let isLeft = columns[index].alignment == .left
            // What fills up the last cells of a line is not written.
            if !shown.isEmpty {
                line += fill + (isLeft ? "" : space) + paint(index, shown)
                fill = isLeft ? space : ""
            } else {
                fill += space
            }
            fill += Self.gap
        }
        return line
    }

    /// Control characters, and those that turn the direction of writing, become `?`.
    static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: "?"
                    default: scalar
                    }
                }))
    }
}
