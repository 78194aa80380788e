import HTTP

/// What a server says when it says no.
struct ServerError: Sendable, Hashable {
    let status: Int
    /// Empty if the reply was not S3's.
    let code: String
    let message: String
    /// Where the bucket is, if that is why.
    let region: String?
    /// The server's clock.
    let date: SignedTime?

    /// Replies of that kind have some hundred bytes.
    static let lengthLimit = 64 << 10

    init(_ head: HTTPHead, _ body: [UInt8]) {
        status = head.status
        date = head["date"].flatMap { SignedTime(header: $0) }
        var found: [String: String] = [:]
        // What is no error of S3's has no code, and is judged by its status.
        try? Self.read(body, into: &found)
        code = found["Code"].map { Printable.text($0, limit: 64) } ?? ""
        message = found["Message"].map { Printable.text($0) } ?? ""
        region = (found["Region"] ?? head["x-amz-bucket-region"]).map {
            Printable.text($0, limit: 32)
        }
    }

    private static func read(
        _ body: [UInt8], into found: inout [String: String]
    ) throws(XMLReader.Problem) {
        var reader = XMLReader(body)
        guard try reader.next() == .start("Error") else { return }
        while let part = try reader.next() {
            guard case .start(let name) = part else { continue }
            if ["Code", "Message", "Region"].contains(name) {
                found[name] = try reader.content()
            } else {
                try reader.skip()
            }
        }
    }

    /// Status, code and message, as far as there are any.
    var text: String {
        [code.isEmpty ? "status \(status)" : "\(status) \(code)", message]
            .filter { !$0.isEmpty }.joined(separator: ": ")
    }
}
