import Glibc
import Testing

@testable import ControlPlane

/// The documents' table of errors is the code's.
@Suite struct DocumentedErrorsTests {
    private static let names: [ErrorKind: String] = [
        .invalid: "invalid", .notFound: "not found", .exists: "exists", .busy: "busy",
        .keyRequired: "key required", .noSpace: "no space", .quota: "quota", .failed: "failed",
        .denied: "denied",
    ]
    private static let errnos: [Int32: String] = [
        EINVAL: "EINVAL", ENOENT: "ENOENT", EEXIST: "EEXIST", EBUSY: "EBUSY", ENOKEY: "ENOKEY",
        ENOSPC: "ENOSPC", EDQUOT: "EDQUOT", EIO: "EIO", EPERM: "EPERM",
    ]

    private func document() throws -> [Substring] {
        let here = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
        let path = here + "/Sources/sealdisk/Documentation.docc/ControlAPI.md"
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
    }

    @Test(arguments: ErrorCode.allCases) func everyCodeStandsInItsRow(code: ErrorCode) throws {
        let kind = code.kind
        let row = try #require(
            try document().first { $0.hasPrefix("| \(Self.names[kind] ?? "") |") }, "\(kind)")
        let cells = row.split(separator: "|").map { $0.drop { $0 == " " } }
        #expect(cells[1].hasPrefix(Self.errnos[kind.errno] ?? "?"))
        #expect(cells[2].hasPrefix("\(kind.exitCode) "))
        let codes = cells[3].split(separator: "`").map { String($0).replacing(".NAME", with: "") }
        #expect(codes.contains(code.rawValue), "\(code.rawValue) is not in the row of \(kind)")
        #expect(!code.usualRemedy.isEmpty)
    }

    @Test func noOthersStandThere() throws {
        let all = Set(ErrorCode.allCases.map(\.rawValue))
        for kind in ErrorKind.allCases {
            let row = try #require(
                try document().first { $0.hasPrefix("| \(Self.names[kind] ?? "") |") })
            let words = row.matches(of: /`([A-Z][A-Za-z.]+)`/).map {
                String($0.1).replacing(".NAME", with: "")
            }
            for word in words { #expect(all.contains(word), "\(word) is no code") }
        }
    }

    @Test(arguments: Action.all.map(\.name)) func everyActionHasItsSection(name: String) throws {
        #expect(try document().contains { $0 == "### \(name)" || $0.hasPrefix("### \(name) ") })
    }
}
