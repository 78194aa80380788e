/// What a command's help says beside its options, in parts.
struct HelpText {
    /// Lines that belong together: text that is filled, or lines as they are.
    enum Block: Hashable {
        case text(String)
        case literal([String])
    }

    private(set) var description: [Block] = []
    private(set) var examples: [String] = []
    private(set) var exitCodes: [String] = []

    init(_ discussion: String) {
        var paragraph: [String] = []
        var place = \HelpText.description
        var lines: [String] = []
        func end(_ text: inout HelpText) {
            if !paragraph.isEmpty {
                text[keyPath: place].append(.text(paragraph.joined(separator: " ")))
            }
            if !lines.isEmpty { text[keyPath: place].append(.literal(lines)) }
            (paragraph, lines) = ([], [])
        }
        for line in discussion.split(separator: "\n", omittingEmptySubsequences: false) {
            switch line {
            case "EXAMPLE:", "EXAMPLES:":
                end(&self)
                place = \.exampleBlocks
            case "EXIT CODES:":
                end(&self)
                place = \.exitBlocks
            case "":
                end(&self)
                place = \.description
            case _ where line.hasPrefix("  "):
                if !paragraph.isEmpty { end(&self) }
                lines.append(String(line.dropFirst(2)))
            default:
                if !lines.isEmpty { end(&self) }
                paragraph.append(String(line))
            }
        }
        end(&self)
    }

    /// A line of two columns, with two spaces at least between them; or one.
    static func columns(_ line: String) -> (name: String, text: String?) {
        guard let gap = line.firstRange(of: "  ") else { return (line, nil) }
        let text = line[gap.upperBound...].drop { $0 == " " }
        return (String(line[..<gap.lowerBound]), text.isEmpty ? nil : String(text))
    }

    private var exampleBlocks: [Block] {
        get { examples.isEmpty ? [] : [.literal(examples)] }
        set { examples = Self.lines(newValue) }
    }

    private var exitBlocks: [Block] {
        get { exitCodes.isEmpty ? [] : [.literal(exitCodes)] }
        set { exitCodes = Self.lines(newValue) }
    }

    private static func lines(_ blocks: [Block]) -> [String] {
        blocks.flatMap { block in
            switch block {
            case .text(let text): [text]
            case .literal(let lines): lines
            }
        }
    }
}
