import ChunkStore
import Foundation
import KeyManagement
import Testing

@testable import Namespace

/// `status.json` and the table of its fields, in both directions.
@Suite struct StatusFieldTests {
    @Test func everyFieldIsDocumentedAndEveryDocumentedFieldIsThere() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let file = try fixture.open("disks/data")
        var fields = Self.fields(of: fixture.tree.statusDocument)
        // This store has no anchor.
        #expect(fields.remove("anchor") != nil)
        let anchor = StatusDocument.Anchor(place: "", isFirstUse: true, failure: "")
        fields.formUnion(Self.fields(of: anchor, below: "anchor."))
        // Nor does it lie on other machines.
        #expect(fields.remove("backend") != nil)
        let backend = BackendReport(
            durability: "", lagLimitSeconds: 0, waitingBytes: 0, lagSeconds: 0, cachedBytes: 0,
            cacheLimitBytes: 0, failure: nil, requests: BackendRequests())
        fields.formUnion(Self.fields(of: backend, below: "backend."))
        withExtendedLifetime(file) {}
        #expect(fields == (try Self.documented()))
    }

    /// The fields in the table of Observability.md.
    private static func documented() throws -> Set<String> {
        let page = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Sources/sealdisk/Documentation.docc/Observability.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let table = try #require(text.components(separatedBy: "## The fields of status.json").last)
            .components(separatedBy: "\n## ")[0]
        return Set(table.matches(of: #/(?m)^\| `([^`]+)` \|/#).map { String($0.1) })
    }

    /// The paths of all stored properties, those that are nil too: JSON has them under these names.
    private static func fields(of value: Any, below path: String = "") -> Set<String> {
        var found: Set<String> = []
        for child in Mirror(reflecting: value).children {
            let name = path + (child.label ?? "")
            switch unwrapped(child.value) {
            case nil, is String, is Bool, is any BinaryInteger, is Double, is Timestamp:
                found.insert(name)
            case let list as [Any]:
                for element in list.prefix(1) {
                    found.formUnion(fields(of: element, below: name + "[]."))
                }
            case is [String: String], is [String: Int]: found.insert(name + ".*")
            case let nested?: found.formUnion(fields(of: nested, below: name + "."))
            }
        }
        return found
    }

    private static func unwrapped(_ value: Any) -> Any? {
        let mirror = Mirror(reflecting: value)
        guard mirror.displayStyle == .optional else { return value }
        return mirror.children.first?.value
    }
}
