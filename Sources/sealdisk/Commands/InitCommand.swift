import ArgumentParser
import ControlPlane
import DiskEngine
import Glibc

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

            A store may also lie in a bucket on S3, with keys for it in the environment or in \
            ~/.aws/credentials, or in a Ceph pool; bucket and pool are there already. What their \
            URIs may say stands in RemoteStores.md.

            EXAMPLES:
              sealdisk init /srv/store
              sealdisk init s3://backups/store --endpoint https://s3.example.org
              sealdisk init rados://rbd/store
            """)

    @Argument(
        help: ArgumentHelp("The folder of the store, or its URI.", valueName: "store"),
        completion: .directory)
    var path: String

    @Option(help: EndpointHelp.text)
    var endpoint: String?

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
        let location = try StoreLocation(new: path, endpoint: endpoint)
        do {
            identity = try Store.create(
                in: location.create(), account: account, region: region)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Self.place(path)
                ?? Failure(Refusal(ofStore: error)).advised(for: location.text)
        }
        let absolute = try StoreLocation.named(location.text)
        guard !json else {
            let made: JSONObject = [
                "Store": .string(absolute), "StoreId": .string(identity.storeID),
                "Account": .string(identity.account), "RegionId": .string(identity.region),
            ]
            return JSONOutput.show(.object(made))
        }
        print("Made store \(identity.storeID) in \(absolute).")
    }

    /// What is wrong with the place itself; nil if it is not that.
    static func place(_ path: String) -> Failure? {
        if (try? StoreURI(path)) != nil { return nil }
        var status = stat()
        if stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT != S_IFDIR else { return nil }
            return Failure(
                .invalid, "\(path) is not a folder, and a store is one.",
                advice: "Name a new folder, or an empty one.")
        }
        let above = AbsolutePath.folder(of: path)
        guard errno == ENOENT, stat(above, &status) != 0 else { return nil }
        return Failure(
            .notFound, "The store \(path) cannot be made: there is no folder \(above).",
            advice: "Make it first: mkdir -p \(above)")
    }
}
