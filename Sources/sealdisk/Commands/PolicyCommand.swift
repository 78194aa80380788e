import ArgumentParser
import ControlPlane

struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Have snapshots taken by themselves: create, apply, list and delete policies.",
        discussion: """
            A policy says at which hours (UTC) of which weekdays the mount takes a snapshot of \
            each disk it is applied to, and for how many days that is kept. What was missed \
            while nothing was mounted is caught up once.

            EXAMPLES:
              sealdisk policy create nightly --hours 2 --keep 30
              sealdisk policy apply nightly data photos
            """,
        subcommands: [Create.self, List.self, Apply.self, Cancel.self, Change.self, Delete.self])

    struct Times: ParsableArguments {
        @Option(help: "Hours of the day, UTC: 2, or 0,12.")
        var hours: String?

        @Option(help: "Days of the week, 1 (Monday) to 7; default: all.")
        var weekdays: String?

        @Option(help: "Days that a snapshot is kept; -1: until it is deleted. Default: -1.")
        var keep: Int?
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a policy.",
            discussion: """
                EXAMPLES:
                  sealdisk policy create nightly --hours 2 --keep 30
                  sealdisk policy create weekly --hours 0,12 --weekdays 7
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The policy's name.")
        var name: String

        @OptionGroup var times: Times

        func run() throws {
            guard let hours = times.hours else {
                throw ValidationError("Say at which hours: --hours 2, or --hours 0,12.")
            }
            let answer = try Client(options).perform(
                Request(
                    "CreateAutoSnapshotPolicy",
                    [
                        "autoSnapshotPolicyName": name, "timePoints": hours,
                        "repeatWeekdays": times.weekdays ?? "1,2,3,4,5,6,7",
                        "retentionDays": times.keep.map { "\($0)" },
                    ]))
            guard !options.json else { return }
            print("Created policy \(name) (\(answer.fields.text("AutoSnapshotPolicyId"))).")
        }
    }

    struct Change: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a policy's times, or how long its next snapshots are kept.",
            discussion: """
                EXAMPLE:
                  sealdisk policy change nightly --keep 60
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The policy.")
        var policy: String

        @OptionGroup var times: Times

        func run() throws {
            try Client(options).perform(
                Request(
                    "ModifyAutoSnapshotPolicyEx",
                    [
                        "autoSnapshotPolicyId": policy, "timePoints": times.hours,
                        "repeatWeekdays": times.weekdays,
                        "retentionDays": times.keep.map { "\($0)" },
                    ]))
            if !options.json { print("Changed policy \(policy).") }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List policies and how many disks have each.",
            discussion: """
                EXAMPLE:
                  sealdisk policy list
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup(title: "LIST OPTIONS") var list: ListOptions

        func run() throws {
            try list.check(.policies)
            try list.watching.repeating {
                let answer = try Client(options).perform(Request("DescribeAutoSnapshotPolicyEx"))
                guard !options.json else { return }
                let all =
                    answer.fields["AutoSnapshotPolicies"]?["AutoSnapshotPolicy"]?.array ?? []
                guard !all.isEmpty else {
                    return Terminal.complain(
                        "No policies. Make one: sealdisk policy create NAME --hours 2 --keep 30\n")
                }
                try list.show(all, of: .policies, usual: ResourceList.policies.table)
            }
        }
    }

    struct Apply: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Apply a policy to disks; another one they had is none of theirs any more.",
            discussion: """
                EXAMPLE:
                  sealdisk policy apply nightly data photos
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The policy.")
        var policy: String

        @Argument(help: "The disks.", completion: .disks)
        var disks: [String]

        func run() throws {
            try Client(options).perform(
                Request(
                    "ApplyAutoSnapshotPolicy",
                    ["autoSnapshotPolicyId": policy, "diskIds": disks.joined(separator: ",")]))
            if !options.json {
                print("Policy \(policy) is applied to \(disks.joined(separator: ", ")).")
            }
        }
    }

    struct Cancel: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take disks out of their policy; what was taken of them stays.",
            discussion: """
                EXAMPLE:
                  sealdisk policy cancel photos
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disks.", completion: .disks)
        var disks: [String]

        func run() throws {
            try Client(options).perform(
                Request(
                    "CancelAutoSnapshotPolicy", ["diskIds": disks.joined(separator: ",")]))
            if !options.json { print("No policy takes snapshots of them any more.") }
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a policy; the snapshots it took stay until they expire.",
            discussion: """
                EXAMPLE:
                  sealdisk policy delete nightly
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @OptionGroup var confirmation: Confirmation

        @Argument(help: "The policy.")
        var policy: String

        func run() throws {
            let client = try Client(options)
            try confirmation.confirm { () throws(Failure) in
                let all =
                    try client.ask(Request("DescribeAutoSnapshotPolicyEx"))
                    .fields["AutoSnapshotPolicies"]?["AutoSnapshotPolicy"]?.array ?? []
                let disks =
                    all.first {
                        [$0.text("Name"), $0.text("AutoSnapshotPolicyId")].contains(policy)
                    }
                    .map { "\($0.count("DiskNums"))" } ?? "No"
                return "Delete policy \(policy)? \(disks) disks have it, of which no snapshots are"
                    + " taken by themselves then; those it took stay until they expire."
            }
            try client.perform(
                Request("DeleteAutoSnapshotPolicy", ["autoSnapshotPolicyId": policy]))
            if !options.json { print("Deleted policy \(policy).") }
        }
    }
}
