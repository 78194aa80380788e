import Foundation
import Testing

@Suite("Tidy: the style by numbers")
struct StyleTests {
    private let sources: [SourceText]

    init() throws {
        sources = try Tree.files(in: ["Sources", "Tests", "Mount"], ending: [".swift"])
        try #require(sources.contains { $0.path == "Tests/Tidy/StyleTests.swift" })
    }

    @Test func linesAreAtMost100Columns() {
        for source in sources {
            for (index, line) in source.lines.enumerated() where line.count > 100 {
                Issue.record("\(source.location(index)): \(line.count) columns")
            }
        }
    }

    @Test func filesAreAtMost400Lines() {
        for source in sources where source.lines.count > 401 {
            Issue.record("\(source.path): \(source.lines.count - 1) lines")
        }
    }

    @Test func functionsAreAtMost60Lines() {
        for source in sources {
            for (index, line) in source.lines.enumerated() {
                let words = line.split { " (<?".contains($0) }
                guard words.contains("func") || words.first == "init" || words.contains("deinit"),
                    words.first?.hasPrefix("//") == false
                else { continue }
                // The formatter puts the closing brace under the beginning of the declaration.
                let end = line.prefix { $0 == " " } + "}"
                let rest = source.lines[index...].prefix(62)
                if !rest.contains(end), source.lines[index...].contains(end),
                    opensBody(source.lines[index...])
                {
                    Issue.record("\(source.location(index)): a function of more than 60 lines")
                }
            }
        }
    }

    /// Whether a declaration has a body that ends on a line of its own.
    private func opensBody(_ lines: ArraySlice<Substring>) -> Bool {
        let indent = lines.first?.prefix { $0 == " " }.count ?? 0
        for (offset, line) in lines.prefix(20).enumerated() {
            if line.hasSuffix("{") { return true }
            let spaces = line.prefix { $0 == " " }.count
            if offset > 0, spaces <= indent, line.dropFirst(spaces).first != ")" { return false }
        }
        return false
    }

    @Test func whatMayTrapOrBypassTheCompilerSaysWhyItHolds() {
        let marks = [
            "@unchecked Sendable", "try!", "fatalError(", "preconditionFailure(", "precondition(",
            "unsafeBitCast(", "nonisolated(unsafe)",
        ]
        // Files of invariants are made of preconditions, which say what holds themselves.
        for source in sources
        where !source.path.hasPrefix("Tests/Tidy/") && !source.path.hasSuffix("+Invariants.swift") {
            for (index, line) in source.lines.enumerated() {
                let code = line.split(separator: "//", omittingEmptySubsequences: false)[0]
                guard marks.contains(where: code.contains) else { continue }
                let around = source.lines[max(0, index - 3)...index]
                if !around.contains(where: { $0.contains("//") }) {
                    Issue.record("\(source.location(index)): no comment says why this holds")
                }
            }
        }
    }

    @Test func nothingIsLeftForLater() throws {
        // In two halves, or this line would be found.
        let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X:"]
        let top = try ["README.md", "Package.swift"].compactMap { try SourceText(path: $0) }
        for file in top + (try Tree.files(in: ["Sources", "Tests", "Mount", ".ci"])) {
            for (index, line) in file.lines.enumerated()
            where marks.contains(where: line.contains) {
                Issue.record("\(file.location(index)): left for later")
            }
        }
    }

    /// Not by Foundation: its children inherit what other threads open meanwhile, and so hold up
    /// whoever waits for that to be closed.
    @Test func programsAreStartedByProgramAlone() {
        for source in sources where source.path.hasPrefix("Tests/") {
            for (index, line) in source.lines.enumerated()
            where line.contains(/[^A-Za-z]Process\(\)/) {
                Issue.record("\(source.location(index)): start it by HostPrograms.Program")
            }
        }
    }

    @Test func theTopHoldsNothingElse() throws {
        let allowed: Set = [
            "Package.swift", "Package.resolved", "README.md", "LICENSE", "Sources", "Tests",
            "Mount",
        ]
        for name in try FileManager.default.contentsOfDirectory(atPath: Tree.root.path)
        where !name.hasPrefix(".") && !allowed.contains(name) {
            Issue.record("\(name) has no place at the top of the tree")
        }
    }
}
