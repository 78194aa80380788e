import ArgumentParser
import ControlPlane

struct APICommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "api",
        abstract: "Send a request of the API as it is, and print its reply.",
        discussion: """
            The request is written in words, as a query string, or as JSON; in words each of them \
            may be an argument of its own. The same can be written to the file `control` of a \
            mount.

            EXAMPLES:
              sealdisk api CreateDisk DiskName=data Size=20 Encrypted=true
              sealdisk api 'Action=DescribeDisks&Status=In_use'
              sealdisk api '{"Action":"DeleteDisk","DiskId":"data"}'
            """)

    @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

    @Argument(help: "The request.")
    var request: [String]

    func run() throws {
        try Client(options).performRaw(try Self.text(of: request))
    }

    /// One argument is a request in any form; several are an action and its `Key=Value` words,
    /// whose quotes the shell has taken off already.
    static func text(of arguments: [String]) throws(Failure) -> String {
        guard arguments.count > 1 else { return arguments.first ?? "" }
        var object: JSONObject = ["Action": .string(arguments[0])]
        for argument in arguments.dropFirst() {
            guard let equals = argument.firstIndex(of: "=") else {
                throw Failure(
                    .invalid, "Behind the action every word is Key=Value; '\(argument)' is not.",
                    advice: "Write for instance: sealdisk api CreateDisk DiskName=data Size=20")
            }
            object.append(
                String(argument[..<equals]),
                .string(String(argument[argument.index(after: equals)...])))
        }
        return JSON.object(object).text
    }
}
