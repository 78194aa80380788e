import ControlPlane
import Testing

@testable import sealdisk

/// Which columns a list shows, and in which order.
@Suite struct ListOptionsTests {
    private func options(_ arguments: String...) throws -> ListOptions {
        try ListOptions.parse(arguments)
    }

    /// The lists and the type of their rows' names.
    private static let lists: [ResourceList] = [
        .disks, .snapshots, .instances([:]), .images, .policies, .jobs,
    ]

    @Test func everyListBeginsWithItsNameAndShowsItsUsualColumns() {
        for list in Self.lists {
            let names = list.columns.map(\.name)
            #expect(Set(names).count == names.count)
            #expect(list.usual.count == list.usualNames.count, "\(list.usualNames)")
            #expect(["name", "job"].contains(names[0]))
        }
    }

    @Test func whatIsMisspeltIsSaid() throws {
        for arguments in [["--columns", "nmae"], ["--sort", "siez"], ["-o", "+stroed"]] {
            let options = try ListOptions.parse(arguments)
            do throws(Failure) {
                try options.check(.disks)
                Issue.record("\(arguments) were taken")
            } catch {
                #expect(error.exitCode == 2 && error.advice.contains("Did you mean"), "\(error)")
            }
        }
        #expect(throws: Failure.self) { try self.options("-o", ",").check(.disks) }
        for arguments in [["--every", "0"], ["-q", "-o", "name"]] {
            #expect(throws: (any Error).self) { try ListOptions.parse(arguments) }
        }
    }

    @Test func rowsAreSortedByWhatTheyAreNotByHowItIsWritten() throws {
        let rows = try [("b", 5 << 20), ("c", 20 << 30), ("a", 7 << 10)].map { name, size in
            try JSON(parsing: #"{"Name":"\#(name)","SizeBytes":\#(size)}"#.utf8)
        }
        func names(_ sort: String) throws -> [String] {
            try self.options("--sort", sort).sorted(rows, .disks).map { $0.text("Name") }
        }
        #expect(try names("size") == ["a", "b", "c"])
        #expect(try names("size:desc") == ["c", "b", "a"])
        #expect(try names("name") == ["a", "b", "c"])
        // Equal ones stay as they came.
        #expect(try names("kind") == ["b", "c", "a"])
        #expect(try names("kind:desc") == ["b", "c", "a"])
    }

    @Test func columnsAreChosenOrAdded() throws {
        #expect(try options("-o", "size,NAME").chosen(of: .disks)?.map(\.name) == ["size", "name"])
        let added = try options("--columns", "+category").chosen(of: .disks)?.map(\.name)
        #expect(added == ResourceList.disks.usualNames + ["category"])
        #expect(try options().chosen(of: .disks) == nil)
    }

    @Test func coloursFollowWhatIsMeantAndNothingElse() {
        let table = Table(
            [.left("NAME"), .left("STATUS")], rows: [["In_us", "In_use"], ["b", "x!"]])
        let plain = table.text(width: nil)
        #expect(!plain.contains("\u{1B}"))
        let coloured = table.text(width: nil, isColoured: true)
        #expect(coloured.contains("\u{1B}[32mIn_use\u{1B}[0m"))
        #expect(coloured.contains("\u{1B}[31mx!\u{1B}[0m"))
        #expect(!coloured.contains("mIn_us\u{1B}"))
        // The same text in the same columns.
        #expect(
            coloured.replacing(#/\u{1B}\[[0-9;]*m/#, with: "") == plain, "\(coloured)")
        #expect(table.text(width: nil, withTitles: false).hasPrefix("In_us"))
    }
}
