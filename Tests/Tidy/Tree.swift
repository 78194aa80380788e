import Foundation

/// The checkout this test was built from.
enum Tree {
    static let root: URL = URL(fileURLWithPath: #filePath)
        .resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The text files below some of its folders, build products and binary data left out.
    static func files(
        in folders: [String], ending suffixes: [String] = [""]
    ) throws -> [SourceText] {
        try folders.flatMap { folder in
            try FileManager.default.subpathsOfDirectory(
                atPath: root.appendingPathComponent(folder).path
            )
            .filter { path in suffixes.contains { path.hasSuffix($0) } }
            .sorted()
            .compactMap { try SourceText(path: "\(folder)/\($0)") }
        }
    }
}

/// A text file of the tree, by its path from the root.
struct SourceText {
    let path: String
    let lines: [Substring]

    /// nil for what is not a text file.
    init?(path: String) throws {
        let url = Tree.root.appendingPathComponent(path)
        guard try url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true,
            let text = String(data: try Data(contentsOf: url), encoding: .utf8)
        else { return nil }
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The module a source belongs to.
    var module: String { String(path.split(separator: "/")[1]) }
    var fileName: String { String(path.split(separator: "/").last ?? "") }

    /// The modules it imports.
    var imports: [String] {
        lines.compactMap { line in
            let words = line.split(separator: " ")
            guard let position = words.firstIndex(of: "import"), position + 1 < words.count,
                words[..<position].allSatisfy({ $0.hasPrefix("@") || Self.levels.contains($0) })
            else { return nil }
            let name = words[position + 1]
            let isKind = Self.kinds.contains(name) && position + 2 < words.count
            let path = isKind ? words[position + 2] : name
            return path.split(separator: ".").first.map(String.init)
        }
    }

    /// Where a place in it is, as a compiler would say.
    func location(_ index: Int) -> String { "\(path):\(index + 1)" }

    private static let levels: Set<Substring> = [
        "public", "package", "internal", "fileprivate", "private",
    ]
    private static let kinds: Set<Substring> = [
        "struct", "class", "enum", "protocol", "typealias", "func", "let", "var",
    ]
}
