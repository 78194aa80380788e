import CCurl

/// One request and its reply, as libcurl asks for the one and brings the other.
///
/// Not `Sendable`: libcurl calls on the thread of the call.
final class Exchange {
    private let receiver: any HTTPReceiver
    private let body: UnsafeRawBufferPointer?
    private let mayRepeat: Bool
    /// How much of the body libcurl has fetched; not less than what was sent.
    private var fetched = 0
    /// A server may have had all of an earlier attempt.
    private var mayBeDone = false
    private var head = HTTPHead()
    private var isBegun = false
    private var headLength = 0
    private var isRefused = false

    /// Servers' heads have some hundred bytes.
    private static let headLimit = 64 << 10

    init(_ receiver: any HTTPReceiver, body: UnsafeRawBufferPointer?, mayRepeat: Bool) {
        self.receiver = receiver
        self.body = body
        self.mayRepeat = mayRepeat
    }

    /// This object must outlive the call of libcurl.
    func connect(to handle: UnsafeMutableRawPointer) -> CURLcode {
        let context = Unmanaged.passUnretained(self).toOpaque()
        var code = sealdisk_curl_set_callback(
            handle, CURLOPT_HEADERFUNCTION,
            { bytes, size, count, context in
                let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
                return Exchange.at(context)?.takeHeader(line) == true ? line.count : 0
            }, CURLOPT_HEADERDATA, context)
        guard code == CURLE_OK else { return code }
        code = sealdisk_curl_set_callback(
            handle, CURLOPT_WRITEFUNCTION,
            { bytes, size, count, context in
                let part = UnsafeRawBufferPointer(start: bytes, count: size * count)
                return Exchange.at(context)?.take(part) == true ? part.count : 0
            }, CURLOPT_WRITEDATA, context)
        guard code == CURLE_OK, body != nil else { return code }
        code = sealdisk_curl_set_callback(
            handle, CURLOPT_READFUNCTION,
            { bytes, size, count, context in
                let room = UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
                return Exchange.at(context)?.fetch(room) ?? Int(CURL_READFUNC_ABORT)
            }, CURLOPT_READDATA, context)
        guard code == CURLE_OK else { return code }
        return sealdisk_curl_set_rewind(
            handle,
            { context, offset, _ in
                let isDone = offset == 0 && Exchange.at(context)?.rewind() == true
                return isDone ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL
            }, context)
    }

    private static func at(_ context: UnsafeMutableRawPointer?) -> Exchange? {
        guard let context else { return nil }
        return Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
    }

    /// What came of it. `sent`: bytes of the request's head that left.
    func outcome(of code: CURLcode, sent: Int) -> Result<HTTPReply, HTTPError> {
        if isBegun, code == CURLE_OK || (code == CURLE_WRITE_ERROR && isRefused) {
            return .success(HTTPReply(head: head, isWhole: code == CURLE_OK))
        }
        let cause = String(cString: curl_easy_strerror(code))
        return .failure(HTTPError(code: errorCode(of: code, sent: sent), cause: cause))
    }

    private func errorCode(of code: CURLcode, sent: Int) -> HTTPError.Code {
        switch code {
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_CIPHER, CURLE_SSL_INVALIDCERTSTATUS:
            return .untrusted
        case CURLE_SSL_CACERT_BADFILE, CURLE_URL_MALFORMAT, CURLE_FAILED_INIT, CURLE_NOT_BUILT_IN,
            CURLE_BAD_FUNCTION_ARGUMENT,
            CURLE_UNKNOWN_OPTION, CURLE_OUT_OF_MEMORY:
            return .unusable
        // The body was begun again on purpose only where that may be; here it may not.
        case CURLE_SEND_FAIL_REWIND: return .lost
        default: break
        }
        // A server has nothing to do as long as some of what was announced is missing.
        let isPartial = body.map { fetched < $0.count && !mayBeDone } ?? false
        return sent == 0 || (isPartial && !isBegun) ? .notSent : .lost
    }

    /// One line of a head, with its end.
    private func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool {
        headLength += line.count
        guard headLength <= Self.headLimit else { return false }
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {
            let words = text.split(whereSeparator: { $0 == " " || $0.isNewline })
            guard words.count > 1, let status = Int(words[1]) else { return false }
            head = HTTPHead(status: status, version: String(words[0]))
            return true
        }
        if let colon = text.firstIndex(of: ":") {
            let value = text[text.index(after: colon)...]
            head.fields[text[..<colon].lowercased()] = Self.trimmed(value)
            return true
        }
        // The empty line at its end. What stands behind a body in pieces is no head.
        if !isBegun, head.status >= 200 {
            isBegun = true
            receiver.begin(head)
        }
        return true
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }

    private func take(_ part: UnsafeRawBufferPointer) -> Bool {
        if receiver.take(part) { return true }
        isRefused = true
        return false
    }

    private func fetch(_ room: UnsafeMutableRawBufferPointer) -> Int {
        guard let body else { return 0 }
        let count = min(room.count, body.count - fetched)
        room.copyMemory(
            from: UnsafeRawBufferPointer(rebasing: body[fetched..<(fetched + count)]))
        fetched += count
        return count
    }

    /// False if the body must not be sent a second time.
    private func rewind() -> Bool {
        guard mayRepeat else { return false }
        mayBeDone = mayBeDone || fetched == body?.count
        fetched = 0
        return true
    }
}
