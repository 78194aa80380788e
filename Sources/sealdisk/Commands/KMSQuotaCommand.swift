import ArgumentParser
import ControlPlane
import KeyManagement

extension KMSCommand {
    struct Quota: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show or set how often the key may be used in a day.",
            discussion: """
                What counts is CreateDisk, CreateInstance, AttachDisk, DetachDisk, CreateSnapshot, \
                ResetDisk and ReInitDisk of encrypted disks. When the quota is used up these are \
                refused until the day ends (UTC); only DetachDisk never is, for the sake of the \
                data. It holds for all accounts, regions and processes of the keystore.

                EXAMPLES:
                  sealdisk kms quota 1000
                  sealdisk kms quota none
                """)

        @Argument(help: ArgumentHelp("Uses in a day, or none.", valueName: "N"))
        var quota: String?

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var home: HomeOptions

        func validate() throws {
            if let quota, quota != "none", UInt64(quota) == nil {
                throw ValidationError("The quota is a number, or 'none'.")
            }
        }

        func run() throws {
            let keys = try home.service(options).metered
            do throws(KeyError) {
                if let quota { try keys.setDailyQuota(UInt64(quota)) }
                let present = try keys.dailyQuota
                if options.json {
                    let value = present.map { JSON.integer($0) } ?? .null
                    return JSONOutput.show(.object(["Quota": value]))
                }
                print(present.map { "\($0) uses a day (UTC)." } ?? "There is no quota.")
            } catch {
                throw Failure(Refusal(ofStore: error))
            }
        }
    }

    struct Usage: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show how often the key was used, by day and action.",
            discussion: """
                Counted from the key-use log, over all processes; days are those of UTC. METERED \
                is what counts against the quota.

                EXAMPLE:
                  sealdisk kms usage --days 30
                """)

        @Option(help: ArgumentHelp("How many days, with today.", valueName: "N"))
        var days = 7

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var home: HomeOptions

        func validate() throws {
            guard (1...36_500).contains(days) else {
                throw ValidationError("--days is a number from 1 on.")
            }
        }

        func run() throws {
            let keys = try home.service(options).metered
            let found: UsageText
            do throws(KeyError) {
                found = UsageText(
                    days: try keys.uses(ofLast: days), quota: try keys.dailyQuota,
                    today: try keys.usesToday())
            } catch {
                throw Failure(Refusal(ofStore: error))
            }
            if options.json { return JSONOutput.show(found.json) }
            Terminal.show(found.table)
            print(found.summary)
        }
    }
}

/// The uses of some days, and the quota, in words.
struct UsageText {
    let days: [MeteredKeys.DayOfUses]
    let quota: UInt64?
    let today: UInt64

    private var left: UInt64? { quota.map { $0 > today ? $0 - today : 0 } }

    var table: Table {
        Table(
            [.left("DAY"), .left("ACTION"), .right("USES"), .right("METERED")],
            rows: days.flatMap { day -> [[String]] in
                guard !day.actions.isEmpty else { return [[day.day, "-", "0", "0"]] }
                return day.actions.sorted { $0.key < $1.key }.enumerated().map { index, action in
                    [
                        index == 0 ? day.day : "", action.key, String(action.value),
                        index == 0 ? String(day.metered) : "",
                    ]
                }
            })
    }

    var summary: String {
        guard let quota, let left else { return "Today: \(today) metered uses. No quota." }
        return "Today: \(today) of \(quota) metered uses; \(left) are left."
    }

    var json: JSON {
        .object([
            "Days": .array(
                days.map { day in
                    var actions: JSONObject = [:]
                    for (action, count) in day.actions.sorted(by: { $0.key < $1.key }) {
                        actions.append(action, .integer(count))
                    }
                    return .object([
                        "Day": .string(day.day), "Uses": .object(actions),
                        "Metered": .integer(day.metered),
                    ])
                }),
            "MeteredToday": .integer(today),
            "Quota": quota.map { .integer($0) } ?? .null,
            "Left": left.map { .integer($0) } ?? .null,
        ])
    }
}
