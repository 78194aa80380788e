import Foundation
import Testing

/// A promise names the test that shows it; one that names a test that is not there shows nothing.
@Suite("Tidy: the documents")
struct DocumentTests {
    private let documents: [SourceText]
    /// The source of each suite, by its type's name; extensions and contracts count.
    private let suites: [Substring: String]

    init() throws {
        documents = try Tree.files(in: ["Sources"], ending: [".md"])
        try #require(documents.contains { $0.path.hasSuffix("/Semantics.md") })
        var suites: [Substring: String] = [:]
        for source in try Tree.files(in: ["Tests"], ending: [".swift"]) {
            let text = source.lines.joined(separator: "\n")
            for match in text.matches(of: /(?:struct|class|enum|extension) (\w+)/) {
                suites[match.1, default: ""] += text
            }
        }
        self.suites = suites
    }

    @Test func testsThatAreNamedAreThere() {
        var count = 0
        for document in documents {
            for (index, line) in document.lines.enumerated() {
                for match in line.matches(of: /`(\w+(?:Tests|Contract))(?:\.(\w+))?`/) {
                    count += 1
                    let text = suites[match.1]
                    let isThere =
                        match.2.map { text?.contains("func \($0)(") == true } ?? (text != nil)
                    if !isThere {
                        Issue.record("\(document.location(index)): there is no \(match.0)")
                    }
                }
            }
        }
        #expect(count > 50)
    }

    @Test func sourcesThatAreNamedAreThere() throws {
        let paths =
            try Tree.files(in: ["Sources", "Tests"], ending: [".swift"])
            .map { "/\($0.path)" } + ["/Package.swift"]
        var count = 0
        for document in documents {
            for (index, line) in document.lines.enumerated() {
                for match in line.matches(of: /`([\w+\/]+\.swift)`/) {
                    count += 1
                    if !paths.contains(where: { $0.hasSuffix("/\(match.1)") }) {
                        Issue.record("\(document.location(index)): there is no \(match.1)")
                    }
                }
            }
        }
        #expect(count > 20)
    }
}
