import ControlPlane

/// A page for man(1), line by line.
struct ManualPage {
    let name: String
    let section: Int
    private var lines: [String]

    var file: String { "\(name).\(section)" }
    var text: String { lines.map { $0 + "\n" }.joined() }

    init(_ name: String, section: Int, abstract: String) {
        self.name = name
        self.section = section
        lines = [
            ".TH \(Roff.escaped(name.uppercased())) \(section) \"\""
                + " \"sealdisk \(SealDisk.version)\" \"SealDisk\"",
            // Commands are not hyphenated, nor filled up with spaces.
            ".nh", ".ad l",
        ]
        begin("NAME")
        // Tools that list pages want one line, without a point at its end.
        let short = abstract.hasSuffix(".") ? String(abstract.dropLast()) : abstract
        lines.append("\(Roff.escaped(name)) \\- \(Roff.escaped(short))")
    }

    mutating func begin(_ title: String) { lines.append(".SH \"\(Roff.escaped(title))\"") }

    mutating func paragraph(_ text: String) { lines += [".PP", Roff.line(text)] }

    /// Lines that are shown as they are, indented.
    mutating func literal(_ text: [String]) {
        lines += [".PP", ".RS 4", ".nf"] + text.map { Roff.literal($0) } + [".fi", ".RE"]
    }

    mutating func blocks(_ blocks: [HelpText.Block]) {
        for block in blocks {
            switch block {
            case .text(let text): paragraph(text)
            case .literal(let lines): table(lines)
            }
        }
    }

    /// Lines of two columns as entries, which are filled; others as they are.
    mutating func table(_ lines: [String]) {
        let rows = lines.map(HelpText.columns)
        guard rows.count(where: { $0.text != nil }) * 2 > rows.count else { return literal(lines) }
        for row in rows { entry(Roff.bold(row.name), [row.text ?? ""]) }
    }

    /// An entry of a list: `tag` is roff already.
    mutating func entry(_ tag: String, _ texts: [String]) {
        lines += [".TP", tag]
        let texts = texts.filter { !$0.isEmpty }
        lines.append(texts.first.map { Roff.line($0) } ?? "\\&")
        for text in texts.dropFirst() { lines += [".IP", Roff.line(text)] }
    }

    /// A call of a program: its words are bold, what stands in angle brackets is italic.
    mutating func synopsis(_ words: String, _ usage: String) {
        var line = Roff.bold(words) + " "
        var rest = usage[...]
        while let start = rest.firstIndex(of: "<"), let end = rest[start...].firstIndex(of: ">") {
            line += Roff.escaped(rest[..<start])
            line += Roff.italic(rest[rest.index(after: start)..<end])
            rest = rest[rest.index(after: end)...]
        }
        lines += [".PP", line + Roff.escaped(rest)]
    }

    mutating func references(_ pages: [(name: String, section: Int)]) {
        begin("SEE ALSO")
        for (index, page) in pages.enumerated() {
            let comma = index == pages.count - 1 ? "" : ","
            lines.append("\(Roff.bold(page.name))(\(page.section))\(comma)")
        }
    }
}
