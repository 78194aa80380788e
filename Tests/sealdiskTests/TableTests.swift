import Testing

@testable import sealdisk

@Suite struct TableTests {
    private let table = Table(
        [.left("NAME", mayShrink: true), .right("SIZE"), .left("STATUS")],
        rows: [["a", "20 GiB", "In_use"], ["a-rather-long-name", "4 KiB", "Available"]])

    @Test func columnsAreAligned() {
        #expect(
            table.text(width: nil) == """
                NAME                  SIZE  STATUS
                a                   20 GiB  In_use
                a-rather-long-name   4 KiB  Available

                """)
    }

    @Test func longCellsAreCutToTheTerminal() {
        let text = table.text(width: 30)
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 30 })
        #expect(text.contains("a-rather-l…   4 KiB  Available"))
    }

    @Test func columnsThatMayNotShrinkAreWhole() {
        let text = table.text(width: 5)
        #expect(text.contains("a-rathe…   4 KiB  Available"))
    }

    @Test func withoutRowsNothingIsShown() {
        #expect(Table([.left("NAME")], rows: []).text(width: 80) == "")
    }

    @Test func whatSteersATerminalIsMadeVisible() {
        let table = Table([.left("NAME")], rows: [["a\u{1b}[2Jb\nc\u{202e}d\u{9b}e\u{2028}"]])
        #expect(table.text(width: nil) == "NAME\na?[2Jb?c?d?e?\n")
    }

    @Test func detailsAreAlignedAndSkipWhatIsNotThere() {
        var details = Details()
        details.add("Name", "data")
        details.add("Description", "")
        details.add("Key", nil)
        details.add("Snapshots", "2")
        #expect(details.text == "Name       data\nSnapshots  2\n")
    }
}
