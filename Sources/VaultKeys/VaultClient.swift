import CCurl
import KeyManagement

/// HTTP to one server: no redirects, no proxies, TLS always verified, every call ends in time.
struct VaultClient: Sendable {
    struct Reply {
        let status: Int
        let body: ReplyBuffer
    }

    let uri: VaultURI
    /// Seconds for all of a call.
    let limit: Double
    /// Seconds until there is a connection.
    private static let connectLimit = 5.0

    private static let isStarted: Bool = sealdisk_curl_start() == CURLE_OK

    /// One call. `path` stands behind `/v1/`; `body` nil is a GET. Throws `.unavailable` if no
    /// whole reply came.
    func call(
        _ path: String, token: SharedSecret, body: SharedSecret?
    ) throws(KeyError) -> Reply {
        guard Self.isStarted, let handle = curl_easy_init() else {
            throw KeyError(.io, "libcurl cannot be used")
        }
        defer { curl_easy_cleanup(handle) }
        let headers = try Self.headers(token)
        defer { sealdisk_curl_wipe_headers(headers) }
        let reply = ReplyBuffer()
        let code = configure(handle, path) ?? Self.perform(handle, headers, body, reply)
        guard code == CURLE_OK else {
            let cause = String(cString: curl_easy_strerror(code))
            throw KeyError(
                .unavailable,
                "the key server \(uri.location) was not reached, or did not answer within"
                    + " \(limit) s: \(cause)")
        }
        return Reply(status: sealdisk_curl_status(handle), body: reply)
    }

    /// nil if all was set.
    private func configure(_ handle: UnsafeMutableRawPointer, _ path: String) -> CURLcode? {
        let texts: [(CURLoption, String?)] = [
            (CURLOPT_URL, "\(uri.scheme)://\(uri.authority)/v1/\(path)"),
            (CURLOPT_PROTOCOLS_STR, uri.scheme), (CURLOPT_NOPROXY, "*"),
            (CURLOPT_CAINFO, uri.certificates),
        ]
        for (option, text) in texts {
            guard let text else { continue }
            let code = sealdisk_curl_set_text(handle, option, text)
            if code != CURLE_OK { return code }
        }
        let numbers: [(CURLoption, Int)] = [
            (CURLOPT_NOSIGNAL, 1), (CURLOPT_FOLLOWLOCATION, 0),
            (CURLOPT_SSL_VERIFYPEER, 1), (CURLOPT_SSL_VERIFYHOST, 2),
            (CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
            (CURLOPT_CONNECTTIMEOUT_MS, Int(min(Self.connectLimit, limit) * 1000)),
            (CURLOPT_TIMEOUT_MS, Int(limit * 1000)),
        ]
        for (option, number) in numbers {
            let code = sealdisk_curl_set_number(handle, option, number)
            if code != CURLE_OK { return code }
        }
        return nil
    }

    private static func perform(
        _ handle: UnsafeMutableRawPointer, _ headers: UnsafeMutablePointer<curl_slist>?,
        _ body: SharedSecret?, _ reply: ReplyBuffer
    ) -> CURLcode {
        var code = sealdisk_curl_set_headers(handle, headers)
        guard code == CURLE_OK else { return code }
        code = sealdisk_curl_set_receiver(
            handle,
            { bytes, size, count, context in
                guard let context, let bytes else { return 0 }
                // `context` is the reply below, which outlives the call.
                let reply = Unmanaged<ReplyBuffer>.fromOpaque(context).takeUnretainedValue()
                let part = UnsafeRawBufferPointer(start: bytes, count: size * count)
                return reply.append(part) ? part.count : 0
            }, Unmanaged.passUnretained(reply).toOpaque())
        guard code == CURLE_OK else { return code }
        guard let body else { return curl_easy_perform(handle) }
        return body.withUnsafeBytes { bytes in
            let code = sealdisk_curl_set_body(handle, bytes.baseAddress, bytes.count)
            return code == CURLE_OK ? curl_easy_perform(handle) : code
        }
    }

    private static func headers(
        _ token: SharedSecret
    ) throws(KeyError) -> UnsafeMutablePointer<curl_slist>? {
        // Anything else would end the header, and begin another.
        guard token.withUnsafeBytes({ $0.allSatisfy { (0x21...0x7e).contains($0) } }) else {
            throw KeyError(.locked, "the token for the key server is not one line of plain text")
        }
        var list = curl_slist_append(nil, "X-Vault-Request: true")
        list = curl_slist_append(list, "Content-Type: application/json")
        list = curl_slist_append(list, "Expect:")
        let name = Array("X-Vault-Token: ".utf8)
        return token.withUnsafeBytes { bytes in
            withUnsafeTemporaryAllocation(byteCount: name.count + bytes.count + 1, alignment: 1) {
                line in
                line.copyBytes(from: name)
                UnsafeMutableRawBufferPointer(rebasing: line[name.count...]).copyBytes(from: bytes)
                line[line.count - 1] = 0
                defer { line.initializeMemory(as: UInt8.self, repeating: 0) }
                // The line ends with a zero, and has a byte at least.
                return curl_slist_append(
                    list, line.baseAddress!.assumingMemoryBound(to: CChar.self))
            }
        }
    }
}
