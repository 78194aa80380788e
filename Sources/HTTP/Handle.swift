import CCurl

/// A handle of libcurl with the connection it keeps.
final class Handle: @unchecked Sendable {
    // Sendable holds because one thread at a time has it: it is in the pool or with a call.

    private let handle: UnsafeMutableRawPointer

    private static let isStarted: Bool = sealdisk_curl_start() == CURLE_OK

    init() throws(HTTPError) {
        guard Self.isStarted, let handle = curl_easy_init() else {
            throw HTTPError(code: .unusable, cause: "libcurl cannot be used")
        }
        self.handle = handle
    }

    deinit { curl_easy_cleanup(handle) }

    /// The outcome, and how many bytes of request lines and headers were sent.
    func perform(
        _ request: HTTPRequest, _ options: HTTPClient.Options, _ exchange: Exchange
    ) -> (CURLcode, sent: Int) {
        // Keeps connections, sessions and addresses, and forgets all else.
        curl_easy_reset(handle)
        defer { curl_easy_reset(handle) }
        var code = setTexts(request, options)
        if code == CURLE_OK { code = setNumbers(request, options) }
        if code == CURLE_OK { code = sealdisk_curl_set_headers(handle, request.headers.list) }
        return withExtendedLifetime(exchange) {
            if code == CURLE_OK { code = exchange.connect(to: handle) }
            guard code == CURLE_OK else { return (code, 0) }
            code = curl_easy_perform(handle)
            return (code, sealdisk_curl_sent(handle))
        }
    }

    private func setTexts(
        _ request: HTTPRequest, _ options: HTTPClient.Options
    ) -> CURLcode {
        var texts: [(CURLoption, String)] = [
            (CURLOPT_URL, request.url), (CURLOPT_NOPROXY, "*"),
            (CURLOPT_PROTOCOLS_STR, request.url.hasPrefix("https:") ? "https" : "http"),
        ]
        if let certificates = options.certificates {
            texts.append((CURLOPT_CAINFO, certificates))
        }
        switch request.content {
        case .none(.delete): texts.append((CURLOPT_CUSTOMREQUEST, "DELETE"))
        case .post: texts.append((CURLOPT_CUSTOMREQUEST, "POST"))
        default: break
        }
        for (option, text) in texts {
            let code = sealdisk_curl_set_text(handle, option, text)
            if code != CURLE_OK { return code }
        }
        return CURLE_OK
    }

    private func setNumbers(
        _ request: HTTPRequest, _ options: HTTPClient.Options
    ) -> CURLcode {
        var numbers: [(CURLoption, Int)] = [
            (CURLOPT_NOSIGNAL, 1), (CURLOPT_FOLLOWLOCATION, 0), (CURLOPT_TCP_NODELAY, 1),
            (CURLOPT_PATH_AS_IS, 1),
            (CURLOPT_SSL_VERIFYPEER, 1), (CURLOPT_SSL_VERIFYHOST, 2),
            (CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
            (CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS)),
            (CURLOPT_CONNECTTIMEOUT_MS, min(options.connectLimit, options.limit).milliseconds),
            (CURLOPT_TIMEOUT_MS, options.limit.milliseconds),
            (CURLOPT_BUFFERSIZE, 256 << 10),
        ]
        if let stallLimit = options.stallLimit {
            numbers.append((CURLOPT_LOW_SPEED_LIMIT, 1000))
            numbers.append((CURLOPT_LOW_SPEED_TIME, max(1, stallLimit.milliseconds / 1000)))
        }
        if let body = request.body {
            numbers.append((CURLOPT_UPLOAD, 1))
            numbers.append((CURLOPT_UPLOAD_BUFFERSIZE, 512 << 10))
            // Nothing would tell that a request without a body was sent again.
            if body.isEmpty, !request.mayRepeat { numbers.append((CURLOPT_FRESH_CONNECT, 1)) }
            let code = sealdisk_curl_set_size(
                handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(body.count))
            if code != CURLE_OK { return code }
        } else if case .none(.head) = request.content {
            numbers.append((CURLOPT_NOBODY, 1))
        }
        for (option, number) in numbers {
            let code = sealdisk_curl_set_number(handle, option, number)
            if code != CURLE_OK { return code }
        }
        return CURLE_OK
    }
}

extension Duration {
    /// At least one: zero is no limit to libcurl.
    fileprivate var milliseconds: Int {
        let parts = components
        return max(1, Int(parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000))
    }
}
