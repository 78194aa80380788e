import Foundation
import Testing

/// The import graph, read from the sources and compared with the manifest, whose targets are
/// listed bottom-up.
@Suite("Tidy: who may import whom")
struct ImportTests {
    private let targets: [ManifestTarget]
    private let sources: [SourceText]

    init() throws {
        let manifest = try #require(try SourceText(path: "Package.swift"))
        targets = ManifestTarget.all(in: manifest.lines.joined(separator: "\n"))
        sources = try Tree.files(in: ["Sources"], ending: [".swift"])
        try #require(targets.count >= 14)
        try #require(sources.count >= 14)
    }

    @Test func dependenciesPointToWhatStandsAbove() {
        var above: Set<String> = []
        for target in targets {
            for dependency in target.dependencies where !above.contains(dependency) {
                Issue.record("\(target.name) depends on \(dependency), which stands below it")
            }
            above.insert(target.name)
        }
    }

    @Test func everyFolderIsATarget() throws {
        let folders = try FileManager.default.contentsOfDirectory(
            atPath: Tree.root.appendingPathComponent("Sources").path)
        #expect(Set(folders) == Set(targets.map(\.name)))
    }

    @Test func modulesImportOnlyWhatTheManifestGivesThem() throws {
        let names = Set(targets.map(\.name))
        for source in sources {
            let target = try #require(targets.first { $0.name == source.module })
            for name in source.imports
            where names.contains(name) && !target.dependencies.contains(name) {
                Issue.record("\(source.path) imports \(name), which is not its dependency")
            }
        }
    }

    @Test func dependenciesAreUsed() {
        for target in targets {
            let mine = sources.filter { $0.module == target.name }
            for dependency in target.dependencies
            where !mine.contains(where: { $0.imports.contains(dependency) }) {
                Issue.record("\(target.name) does not use its dependency \(dependency)")
            }
        }
    }

    @Test func aCModuleHasExactlyOneImporter() {
        for target in targets where target.isSystemLibrary {
            let importers = Set(sources.filter { $0.imports.contains(target.name) }.map(\.module))
            #expect(importers.count == 1, "\(target.name): \(importers.sorted())")
        }
    }

    @Test func storesAndCryptographyDoNotKnowEachOther() {
        let cryptography: Set = ["CryptoPrimitives", "KeyManagement", "DiskFormat", "COpenSSL"]
        let stores: Set = ["ChunkStore", "LocalStore", "RADOSStore", "S3Store"]
        for source in sources where stores.contains(source.module) {
            #expect(cryptography.isDisjoint(with: source.imports), "\(source.path)")
        }
    }

    @Test func theCoreKnowsNoFoundation() throws {
        let first = try #require(targets.firstIndex { $0.name == "CryptoPrimitives" })
        let last = try #require(targets.firstIndex { $0.name == "DiskEngine" })
        let core = Set(targets[first...last].map(\.name))
        for source in sources where core.contains(source.module) {
            let allowed = source.fileName == "JSONCoding.swift" ? ["FoundationEssentials"] : []
            for name in source.imports
            where name.hasPrefix("Foundation") && !allowed.contains(name) {
                Issue.record("\(source.path) imports \(name)")
            }
        }
    }
}

/// A target as the manifest declares it. Test targets and the fuzzer's are left out.
struct ManifestTarget {
    let name: String
    let dependencies: [String]
    let isSystemLibrary: Bool

    static func all(in manifest: String) -> [ManifestTarget] {
        let start = #/\.(target|systemLibrary|executableTarget|testTarget)\(\s*name:\s*"(\w+)"/#
        let matches = manifest.matches(of: start)
        return matches.enumerated().compactMap { index, match in
            guard match.1 != "testTarget" else { return nil }
            let end =
                index + 1 < matches.count ? matches[index + 1].range.lowerBound : manifest.endIndex
            let body = manifest[match.range.upperBound..<end]
            guard !body.contains(#"path: "Tests/"#) else { return nil }
            return ManifestTarget(
                name: String(match.2), dependencies: dependencies(in: body),
                isSystemLibrary: match.1 == "systemLibrary")
        }
    }

    /// The names of targets in the list; products of other packages are not of this tree.
    private static func dependencies(in body: Substring) -> [String] {
        guard let list = body.firstMatch(of: #/dependencies:\s*\[([^\]]*)\]/#) else { return [] }
        let own = list.1.replacing(#/\.product\([^)]*\)/#, with: "")
        return own.matches(of: #/"(\w+)"/#).map { String($0.1) }
    }
}
