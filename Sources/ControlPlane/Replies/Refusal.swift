/// Why a request was not carried out: the rule, in words, and what to do instead.
public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// The code as the API gives it, for instance `InvalidParameter.NewSize`.
    public let code: String
    public let kind: ErrorKind
    /// What was refused, where, and the rule behind it. Never key material or plaintext.
    public let message: String
    /// What to do instead.
    public let recommend: String

    /// - Parameter parameter: stands behind the code, for the codes that take one.
    public init(
        _ code: ErrorCode, _ message: String, parameter: String? = nil, recommend: String
    ) {
        self.code = parameter.map { "\(code.rawValue).\($0)" } ?? code.rawValue
        kind = code.kind
        self.message = message
        self.recommend = recommend
    }

    /// A refusal that was read from a reply: the code's kind is found again by its longest known
    /// beginning.
    public init(code: String, message: String, recommend: String) {
        let known = ErrorCode.allCases
            .filter { code == $0.rawValue || code.hasPrefix($0.rawValue + ".") }
            .max { $0.rawValue.utf8.count < $1.rawValue.utf8.count }
        self.code = code
        kind = (known ?? .unforeseen).kind
        self.message = message
        self.recommend = recommend
    }

    /// The same refusal in other words.
    init(_ refusal: Refusal, message: String? = nil, recommend: String? = nil) {
        code = refusal.code
        kind = refusal.kind
        self.message = message ?? refusal.message
        self.recommend = recommend ?? refusal.recommend
    }

    /// The same where what it is about was detached all the same.
    var afterDetaching: Refusal {
        let codes = [ErrorCode.sessionOver, .storage].map(\.rawValue)
        guard codes.contains(code) else { return self }
        return Refusal(
            self,
            recommend: "The disk is detached, and what was not flushed before may be lost. Attach"
                + " it again to go on with what is there.")
    }

    public var description: String { message }

    /// `InvalidParameter.NAME`.
    static func parameter(_ name: String, _ message: String, recommend: String) -> Refusal {
        Refusal(.invalidParameter, message, parameter: name, recommend: recommend)
    }

    /// How a request ends that was only to be checked: `ControlPlane` makes a reply of it.
    static let dryRun = Refusal(
        .dryRun, "The request was checked, and would be carried out.",
        recommend: "Repeat it without `DryRun=true`.")
}
