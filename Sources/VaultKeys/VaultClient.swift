import HTTP
import KeyManagement

/// HTTP to one server. No connection is kept: libcurl's memory for it has held data keys.
struct VaultClient: Sendable {
    struct Reply {
        let status: Int
        let body: ReplyBuffer
    }

    let uri: VaultURI
    /// Seconds for all of a call.
    let limit: Double
    private let http: HTTPClient

    init(uri: VaultURI, limit: Double) {
        self.uri = uri
        self.limit = limit
        var options = HTTPClient.Options()
        options.certificates = uri.certificates
        options.limit = .seconds(limit)
        options.idleLimit = 0
        http = HTTPClient(options)
    }

    /// One call. `path` stands behind `/v1/`; `body` nil is a GET. Throws `.unavailable` if no
    /// whole reply came.
    func call(
        _ path: String, token: SharedSecret, body: SharedSecret?
    ) throws(KeyError) -> Reply {
        let headers = HTTPHeaders()
        headers.add("X-Vault-Request", "true")
        headers.add("Content-Type", "application/json")
        guard
            token.withUnsafeBytes({ bytes in
                !bytes.contains(0x20) && headers.add("X-Vault-Token", secret: bytes)
            })
        else {
            throw KeyError(.locked, "the token for the key server is not one line of plain text")
        }
        guard let body else { return try send(path, headers, .none(.get)) }
        return try body.withUnsafeBytes { bytes in
            Result { () throws(KeyError) in try send(path, headers, .post(bytes)) }
        }.get()
    }

    private func send(
        _ path: String, _ headers: HTTPHeaders, _ content: HTTPRequest.Content
    ) throws(KeyError) -> Reply {
        let reply = ReplyBuffer()
        let request = HTTPRequest(
            url: "\(uri.scheme)://\(uri.authority)/v1/\(path)", headers: headers, content: content)
        do throws(HTTPError) {
            let answer = try http.send(request, to: reply)
            guard answer.isWhole else {
                throw HTTPError(code: .lost, cause: "its reply is too long")
            }
            return Reply(status: answer.status, body: reply)
        } catch {
            guard error.code != .unusable else { throw KeyError(.io, error.cause) }
            throw KeyError(
                .unavailable,
                "the key server \(uri.location) was not reached, or did not answer within"
                    + " \(limit) s: \(error.cause)")
        }
    }
}
