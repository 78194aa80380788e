import ControlPlane

/// Why a command did not do what it was asked: the message, what to do next, and the exit code.
struct Failure: Error, Hashable, CustomStringConvertible {
    let message: String
    let advice: String
    let exitCode: Int32
    /// The API's code for it; nil where the API was not asked.
    private(set) var apiCode: String? = nil
    /// The API's whole reply, which `--json` prints as it is.
    var reply: String? = nil

    init(_ kind: ErrorKind, _ message: String, advice: String) {
        self.message = message
        self.advice = advice
        exitCode = kind.exitCode
    }

    /// A refusal in the words of the command line; `action` is the one that was asked for.
    init(_ refusal: Refusal, of action: String? = nil, reply: String? = nil) {
        self.init(
            refusal.kind, CommandLineWords.text(refusal.message, of: action),
            advice: CommandLineWords.text(refusal.recommend, of: action))
        (apiCode, self.reply) = (refusal.code, reply)
    }

    /// A refusal as the API words it, for who speaks the API.
    init(verbatim refusal: Refusal) {
        self.init(refusal.kind, refusal.message, advice: refusal.recommend)
        apiCode = refusal.code
    }

    /// A check that found no damage, and did not get to see everything.
    init(incomplete message: String, advice: String) {
        self.message = message
        self.advice = advice
        exitCode = ExitCodes.incomplete
    }

    /// What this program did not foresee.
    init(unforeseen error: any Error) {
        message = "\(error)"
        advice = "This should not happen: please report it with what led to it."
        exitCode = 1
    }

    /// The same failure with the place it happened at, if the message does not name it.
    func about(_ place: String) -> Failure {
        guard !message.contains(place) else { return self }
        return Failure(self, message: "\(place): \(message)")
    }

    /// The same failure in other words.
    init(_ failure: Failure, message: String, advice: String? = nil) {
        self.message = message
        self.advice = advice ?? failure.advice
        exitCode = failure.exitCode
        (apiCode, reply) = (failure.apiCode, failure.reply)
    }

    /// A command line that the parser did not understand.
    init(notUnderstood message: String, advice: String) {
        self.message = message
        self.advice = advice
        exitCode = ExitCodes.notUnderstood
    }

    /// As it is written on stderr: `sealdisk: MESSAGE`, and below it what to do next.
    var description: String {
        advice.isEmpty ? "sealdisk: \(message)\n" : "sealdisk: \(message)\n\(advice)\n"
    }

    /// As `--json` prints it: the members that a refusal of the API has, too.
    var json: JSON {
        .object([
            "Code": .string(apiCode ?? ExitCodes.name(of: exitCode)), "Message": .string(message),
            "Recommend": .string(advice),
        ])
    }
}

/// The exit codes, for `--help`.
enum ExitCodes {
    /// The one that is no action's.
    static let incomplete: Int32 = 10
    static let notUnderstood: Int32 = 64

    /// The codes that `--json` prints for what a command refuses by itself, by exit code.
    static let names: KeyValuePairs<Int32, String> = [
        1: "Command.Unforeseen", 2: "Command.Invalid", 3: "Command.NotFound",
        4: "Command.Exists", 5: "Command.Busy", 6: "Command.KeyRequired", 7: "Command.NoSpace",
        8: "Command.Failed", 9: "Command.Denied", 10: "Command.Incomplete",
        64: "Command.NotUnderstood",
    ]

    static func name(of exitCode: Int32) -> String {
        names.first { $0.key == exitCode }?.value ?? "Command.Unforeseen"
    }

    static let text = """
        EXIT CODES:
          0   done
          1   something unforeseen failed
          2   the request breaks a rule (a parameter, a size, a conversion)
          3   what it names does not exist
          4   it exists already
          5   in use, or in a state that does not allow it
          6   a key is needed that is not here
          7   no space left, or a limit reached
          8   stored data is damaged, or storage failed
          9   not allowed, or not here
          10  check: no damage was found, but not everything could be verified
          64  the command line was not understood
        """
}
