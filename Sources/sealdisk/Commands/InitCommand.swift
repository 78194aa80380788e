import ArgumentParser
import ControlPlane
import DiskEngine
import LocalStore

/// Where a store belongs when nobody says it: its keys are of an account in a region.
enum Home {
    static let account = "local"
    static let region = "local"
}

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a store.",
        discussion: """
            The folder must be new or empty. Account and region choose the customer master key \
            that wraps the data keys of its disks; they cannot be changed later.

            EXAMPLE:
              sealdisk init /srv/store
            """)

    @Argument(help: ArgumentHelp("The folder of the store.", valueName: "store"))
    var path: String

    @Option(help: "The account that the store's keys belong to.")
    var account = Home.account

    @Option(help: "The region that the store is in.")
    var region = Home.region

    @Flag(help: "Print what was made as JSON.")
    var json = false

    func validate() throws {
        for (option, value) in [("--account", account), ("--region", region)]
        where !ResourceName.isValid(value) {
            throw ValidationError("\(option) is made of letters, digits, '.', '_', ':' and '-'.")
        }
    }

    func run() throws {
        let identity: StoreIdentity
        do {
            identity = try Store.create(
                in: LocalStore.create(at: path), account: account, region: region)
        } catch {
            throw Failure(Refusal(ofStore: error))
        }
        let absolute = try AbsolutePath.existing(path, as: "store")
        guard !json else {
            let made: JSONObject = [
                "Store": .string(absolute), "StoreId": .string(identity.storeID),
                "Account": .string(identity.account), "RegionId": .string(identity.region),
            ]
            return print(JSON.object(made).text)
        }
        print("Made store \(identity.storeID) in \(absolute).")
    }
}
