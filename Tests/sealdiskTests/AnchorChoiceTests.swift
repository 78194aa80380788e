import Testing

@testable import sealdisk

@Suite struct AnchorChoiceTests {
    private let store = "0123456789abcdef0123456789abcdef"

    private func place(_ choice: AnchorChoice) throws -> String? {
        try choice.anchoring(ofStore: store, at: "/srv/store")?.anchor.place
    }

    @Test func wordsAndPathsAreTold() throws {
        #expect(try place(AnchorChoice("none")) == nil)
        #expect(try place(AnchorChoice("/a/b.json")) == "/a/b.json")
        #expect(try place(AnchorChoice("/a/b/")) == "/a/b/\(store).json")
        #expect(AnchorChoice("strict") == AnchorChoice().strict)
        #expect(AnchorChoice("/a").strict.path == "/a")
        #expect(AnchorChoice("none").strict == AnchorChoice().strict)
    }

    @Test func theUsualPlaceIsNamedAfterTheStore() throws {
        let path = try #require(try place(AnchorChoice()))
        #expect(path.hasSuffix("/sealdisk/anchors/\(store).json"))
        #expect(try AnchorChoice().anchoring(ofStore: store, at: "/srv/store")?.isStrict == false)
        #expect(
            try AnchorChoice().strict.anchoring(ofStore: store, at: "/srv/store")?.isStrict == true)
    }

    @Test func anAnchorInTheStoreIsRefused() throws {
        for text in ["/srv/store/a.json", "/srv/store/sub/"] {
            let failure = #expect(throws: Failure.self) { try place(AnchorChoice(text)) }
            #expect(failure?.exitCode == 2)
        }
        #expect(try place(AnchorChoice("/srv/store-2/a.json")) != nil)
    }

    @Test func mountOptionsSayTheSame() throws {
        #expect(try MountFlags(["anchor=/a/b"]).anchor == AnchorChoice("/a/b"))
        #expect(
            try MountFlags(["ro,anchor=/a/b,anchor_strict"]).anchor == AnchorChoice("/a/b").strict)
        #expect(
            try MountFlags(["anchor_strict", "anchor=/a/b"]).anchor == AnchorChoice("/a/b").strict)
        #expect(try MountFlags(["anchor=strict"]).anchor?.isStrict == true)
        #expect(try MountFlags(["anchor=none"]).anchor == AnchorChoice("none"))
        #expect(try MountFlags(["ro"]).anchor == nil)
        for options in ["anchor=none,anchor_strict", "anchor=", "anchor", "anchor_strict=yes"] {
            #expect(throws: Failure.self) { try MountFlags([options]) }
        }
    }
}
