/// One request. `url` is sent as it is: what has to be escaped in it is.
public struct HTTPRequest {
    public enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case delete = "DELETE"
    }

    /// What is sent besides headers.
    public enum Content {
        case none(Method)
        /// A body, read where it lies.
        case put(UnsafeRawBufferPointer)
        case post(UnsafeRawBufferPointer)
    }

    public let url: String
    public let headers: HTTPHeaders
    public let content: Content
    /// Whether a body may be sent again on another connection when a kept one turns out to be gone.
    /// Where it may not, that is `.lost`, for the server may have had it all.
    public let mayRepeat: Bool

    public init(url: String, headers: HTTPHeaders, content: Content, mayRepeat: Bool = true) {
        self.url = url
        self.headers = headers
        self.content = content
        self.mayRepeat = mayRepeat
    }

    var body: UnsafeRawBufferPointer? {
        switch content {
        case .none: nil
        case .put(let body), .post(let body): body
        }
    }
}

/// What stands before the body of a reply.
public struct HTTPHead: Sendable, Hashable {
    public internal(set) var status: Int
    /// As the reply begins: `HTTP/1.1`, `HTTP/2`.
    public internal(set) var version: String
    /// Names in lower case.
    public internal(set) var fields: [String: String]

    public init(status: Int = 0, version: String = "", fields: [String: String] = [:]) {
        self.status = status
        self.version = version
        self.fields = fields
    }

    /// `name` in lower case. Of several with one name the last.
    public subscript(name: String) -> String? { fields[name] }

    /// nil if the server did not say.
    public var contentLength: UInt64? { fields["content-length"].flatMap { UInt64($0) } }
}

/// Takes a reply. All calls come from the thread that sends, before `send` returns.
public protocol HTTPReceiver: AnyObject {
    /// The head of the reply is known. Not called for `100 Continue` and the like.
    func begin(_ head: HTTPHead)
    /// False if no more is wanted; the connection is given up then.
    func take(_ bytes: UnsafeRawBufferPointer) -> Bool
}

extension HTTPReceiver {
    public func begin(_ head: HTTPHead) {}
}

/// Keeps a reply in memory, up to a bound.
public final class HTTPMemory: HTTPReceiver {
    public private(set) var bytes: [UInt8] = []
    private let limit: Int

    public init(limit: Int) { self.limit = limit }

    public func take(_ part: UnsafeRawBufferPointer) -> Bool {
        guard part.count <= limit - bytes.count else { return false }
        bytes.append(contentsOf: part)
        return true
    }
}

public struct HTTPReply: Sendable, Hashable {
    public let head: HTTPHead
    /// False if the receiver wanted no more.
    public let isWhole: Bool

    public var status: Int { head.status }
}

/// Why there is no whole reply. The text is for people: what libcurl says of it.
public struct HTTPError: Error, Sendable, Hashable {
    public enum Code: Sendable {
        /// No server had the whole request, so nothing was done.
        case notSent
        /// The server may have done it, or may do it yet.
        case lost
        /// The server is not one that is trusted: its certificate, or how it speaks TLS.
        case untrusted
        /// libcurl cannot be used, or a file of certificates cannot be read.
        case unusable
    }

    public let code: Code
    public let cause: String

    public init(code: Code, cause: String) {
        self.code = code
        self.cause = cause
    }
}
