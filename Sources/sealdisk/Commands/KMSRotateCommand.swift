import ArgumentParser
import ControlPlane
import KeyManagement

extension KMSCommand {
    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give the customer master key new material: a new version.",
            discussion: """
                Its id stays. Data keys that are made afterwards are wrapped under the new \
                version; those there are stay under theirs, which are kept, until sealdisk kms \
                rewrap wraps them anew. No data is touched. A key in a key server is rotated by \
                that server; one in a token is not rotated.

                EXAMPLE:
                  sealdisk kms rotate && sealdisk kms rewrap
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var home: HomeOptions

        func run() throws {
            Hardening.apply()
            let keys = try home.service(options)
            let version: UInt32
            do throws(KeyError) {
                version = try keys.metered.rotate(use: KeyUse(action: "RotateKey", resource: "-"))
            } catch {
                guard error.code == .refused else { throw Failure(Refusal(ofStore: error)) }
                throw Failure(
                    .denied, error.message + ".", advice: "See the key: sealdisk kms show")
            }
            if options.json {
                return JSONOutput.show(.object(["KeyVersion": .integer(version)]))
            }
            print(
                "The customer master key has version \(version) now, in \(keys.place). Data keys"
                    + " get under it with: sealdisk kms rewrap")
        }
    }

    struct Rewrap: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wrap the store's data keys under the newest version of the master key.",
            discussion: """
                The data keys stay what they are, and no data is touched; disks may be attached. \
                Interrupted, it is repeated. Copies of the store from before hold the data keys \
                under the version before.

                EXAMPLE:
                  sealdisk kms rewrap --store /srv/store
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        func run() throws {
            let answer = try Client(options).perform(Request("RewrapDataKeys", [:])).fields
            let failed = answer.count("FailedCount")
            if !options.json {
                print(
                    "\(answer.count("RewrappedCount")) data keys were wrapped anew;"
                        + " \(answer.count("CurrentCount")) were under the newest version already.")
                for failure in answer["Failures"]?.array ?? [] {
                    Terminal.complain(Table.printable(failure.text("Message")) + "\n")
                }
            }
            guard failed == 0 else {
                throw Failure(
                    .failed, "\(failed) data keys stay as they were: their lineages are damaged.",
                    advice: "Verify the store: sealdisk check")
            }
        }
    }
}
