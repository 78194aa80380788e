import Foundation
import HostPrograms
import Testing

/// The documents hang together, and become HTML whose links lead somewhere.
@Suite("Tidy: pages and their links")
struct PageTests {
    private static let folder = "Sources/sealdisk/Documentation.docc"
    private let pages: [String: SourceText]

    init() throws {
        var pages: [String: SourceText] = [:]
        for page in try Tree.files(in: [Self.folder], ending: [".md"]) {
            pages[String(page.fileName.dropLast(3))] = page
        }
        try #require(pages.count > 10)
        self.pages = pages
    }

    @Test func everyLinkLeadsToAPage() {
        var count = 0
        for page in pages.values {
            for (index, line) in page.lines.enumerated() {
                for match in line.matches(of: /<doc:([^>]*)>/) {
                    count += 1
                    if pages[String(match.1)] == nil {
                        Issue.record("\(page.location(index)): there is no page \(match.1)")
                    }
                }
            }
        }
        #expect(count > 30)
    }

    @Test func everyPageIsReachedFromTheFirst() {
        var reached: Set<String> = []
        var next = ["SealDisk"]
        while let name = next.popLast() {
            guard reached.insert(name).inserted, let page = pages[name] else { continue }
            for line in page.lines {
                next += line.matches(of: /<doc:([^>]*)>/).map { String($0.1) }
            }
        }
        #expect(Set(pages.keys).subtracting(reached).isEmpty)
    }

    /// By DocC, whose warnings are errors there; and as plain pages.
    @Test(arguments: [true, false]) func htmlIsMade(plain: Bool) throws {
        let target = FileManager.default.temporaryDirectory
            .appendingPathComponent("pages-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: target) }
        try Program.succeed(
            Tree.root.appendingPathComponent("Mount/html-documents").path,
            (plain ? ["--plain"] : []) + [target.path])
        for name in pages.keys {
            let file =
                plain
                ? "\(name).html"
                : name == "SealDisk"
                    ? "data/documentation/sealdisk.json"
                    : "data/documentation/sealdisk/\(name.lowercased()).json"
            let text = try String(contentsOf: target.appendingPathComponent(file), encoding: .utf8)
            #expect(text.count > 1000, "\(file)")
            #expect(!text.contains("&lt;doc:"), "\(file)")
            guard plain else { continue }
            for match in text.matches(of: /(?:href|src)="([^":#]+)"/) {
                let path = target.appendingPathComponent(String(match.1)).path
                #expect(FileManager.default.fileExists(atPath: path), "\(file): \(match.1)")
            }
        }
    }
}
