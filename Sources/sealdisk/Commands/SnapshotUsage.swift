import ArgumentParser
import ControlPlane

extension SnapshotCommand {
    struct Diff: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List what differs between two snapshots.",
            discussion: """
                Each line is an offset, a length, both in bytes, and what is there in the second \
                snapshot: data, or zeros. Takes a time in proportion to what differs. Blocks that \
                were written anew with what they held before are listed, too.

                EXAMPLE:
                  sealdisk snapshot diff monday tuesday
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The older snapshot.", completion: .snapshots)
        var older: String

        @Argument(
            help: "The newer one, of the same disk or of one made from it.", completion: .snapshots)
        var newer: String

        func run() throws {
            let client = try Client(options)
            var listing = DiffListing(isJSON: options.json)
            var start: String? = "0"
            // The names of the first request, then the ids: names may be given away meanwhile.
            var (newer, older) = (newer, older)
            while let offset = start {
                let answer = try client.ask(
                    Request(
                        "DescribeSnapshotChanges",
                        [
                            "SnapshotId": newer, "BaseSnapshotId": older, "StartOffset": offset,
                            "MaxResults": "5000",
                        ]))
                newer = answer.fields.text("SnapshotId")
                older = answer.fields.text("BaseSnapshotId")
                listing.add(answer.fields)
                start = answer.fields["NextOffset"].map { _ in
                    "\(answer.fields.count("NextOffset"))"
                }
            }
            listing.end()
        }
    }

    struct Usage: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what snapshots take, or what one alone holds.",
            discussion: """
                What a snapshot alone holds is what the store gets back when it is deleted. Its \
                key must be in memory: a disk of its lineage attached.

                EXAMPLES:
                  sealdisk snapshot usage
                  sealdisk snapshot usage monday
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "A snapshot; without one, all of them.", completion: .snapshots)
        var snapshot: String?

        func run() throws {
            let answer = try Client(options).perform(
                Request("DescribeSnapshotsUsage", ["SnapshotId": snapshot]))
            guard !options.json else { return }
            var details = Details()
            if snapshot == nil {
                details.add("Snapshots", "\(answer.fields.count("SnapshotCount"))")
            }
            details.add("Stored", answer.fields.size("SnapshotSize"))
            if answer.fields["ExclusiveBytes"] != nil {
                details.add("Exclusive", answer.fields.size("ExclusiveBytes"))
            }
            print(details.text, terminator: "")
        }
    }
}

/// The changes as they come, page by page: there may be millions.
private struct DiffListing {
    let isJSON: Bool
    private var hasBegun = false
    private var isEmpty = true

    init(isJSON: Bool) { self.isJSON = isJSON }

    private mutating func begin(_ page: JSON) {
        if hasBegun { return }
        hasBegun = true
        guard isJSON else { return print("OFFSET\tLENGTH\tKIND") }
        JSONOutput.begin()
        print(
            "{\"SnapshotId\":\"\(page.text("SnapshotId"))\",\"BaseSnapshotId\":"
                + "\"\(page.text("BaseSnapshotId"))\",\"SizeBytes\":\(page.count("SizeBytes")),"
                + "\"Changes\":{\"Change\":[", terminator: "")
    }

    mutating func add(_ page: JSON) {
        begin(page)
        for change in page["Changes"]?["Change"]?.array ?? [] {
            let (offset, length) = (change.count("Offset"), change.count("Length"))
            let kind = change.text("Kind")
            if isJSON {
                print(
                    isEmpty ? "" : ",",
                    "{\"Offset\":\(offset),\"Length\":\(length),\"Kind\":\"\(kind)\"}",
                    separator: "", terminator: "")
            } else {
                print("\(offset)\t\(length)\t\(kind)")
            }
            isEmpty = false
        }
    }

    func end() { if isJSON { print("]}}") } }
}
