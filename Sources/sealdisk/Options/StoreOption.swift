import ArgumentParser

/// A store that is looked at besides those that are mounted.
struct StoreOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A store that may not be mounted. Default: $SEALDISK_STORE.", valueName: "path"),
        completion: .directory)
    var store: String?

    /// Its absolute path; nil if none is named. Throws if it is not there.
    func path() throws(Failure) -> String? {
        guard let path = store ?? environmentVariable("SEALDISK_STORE") else { return nil }
        return try StoreLocation.named(path)
    }
}
