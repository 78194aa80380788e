/// One request: an action and its parameters, all of them text, as the API has them.
public struct Request: Sendable, Hashable {
    public struct Parameter: Sendable, Hashable {
        public let name: String
        public let value: String
    }

    public let action: String
    public let parameters: [Parameter]

    /// Parameters without a value are left out.
    public init(_ action: String, _ parameters: KeyValuePairs<String, String?> = [:]) {
        self.action = action
        self.parameters = parameters.compactMap { name, value in
            value.map { Parameter(name: name, value: $0) }
        }
    }

    /// The same of a list made at run time.
    public init(_ action: String, _ parameters: [(String, String?)]) {
        self.action = action
        self.parameters = parameters.compactMap { name, value in
            value.map { Parameter(name: name, value: $0) }
        }
    }

    init(action: String, parameters: [Parameter]) {
        self.action = action
        self.parameters = parameters
    }

    /// The request in its JSON form.
    public var json: String {
        var object: JSONObject = ["Action": .string(action)]
        for parameter in parameters { object.append(parameter.name, .string(parameter.value)) }
        return JSON.object(object).text
    }

    /// Limits of what is read as a request.
    public enum Limit {
        /// Bytes of the whole request.
        public static let bytes = 64 << 10
        public static let parameters = 100
        /// Bytes of a parameter's name.
        public static let name = 128
        /// Bytes of a parameter's value.
        public static let value = 4096
    }
}
