import ArgumentParser

/// The option by which commands learn of a server that the store's URI does not name.
enum EndpointHelp {
    static let text = ArgumentHelp(
        "The server of a store on S3, if its URI does not name one.", valueName: "URL")
}
