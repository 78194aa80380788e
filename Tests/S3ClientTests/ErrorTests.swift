import ChunkStore
import S3Store
import ServerFixtures
import Testing

@testable import S3Client

/// What each answer of a server means, and what is asked again for it.
@Suite("S3Client: errors")
struct ErrorTests {
    private enum Call: String { case put, putNew, putTag, get, list, delete }

    private func make(_ call: Call, _ client: S3Client) -> StoreError? {
        storeError {
            switch call {
            case .put: _ = try client.put("k", [1])
            case .putNew: _ = try client.put("k", [1], if: .absent)
            case .putTag: _ = try client.put("k", [1], if: .tag(ObjectTag("t")))
            case .get: _ = try client.get("k", 0, 4)
            case .list: _ = try client.list("", isDeep: true)
            case .delete: try client.delete("k")
            }
        }
    }

    /// Status, S3's code, the call, what it means, how often it is made.
    private static let meanings: [(String, String, Call, StoreError.Code?, Int)] = [
        ("503 Slow Down", "SlowDown", .put, .busy, 6),
        ("503 Slow Down", "SlowDown", .putNew, .busy, 6),
        ("503 Slow Down", "", .get, .busy, 6),
        ("429 Too Many Requests", "TooManyRequests", .list, .busy, 6),
        ("400 Bad Request", "RequestTimeout", .putTag, .busy, 6),
        ("500 Internal Server Error", "InternalError", .put, .unanswered, 6),
        ("500 Internal Server Error", "InternalError", .putNew, .unanswered, 1),
        ("502 Bad Gateway", "", .putTag, .unanswered, 1),
        ("504 Gateway Timeout", "", .get, .unanswered, 6),
        ("504 Gateway Timeout", "", .delete, .unanswered, 6),
        ("412 Precondition Failed", "PreconditionFailed", .putNew, .alreadyExists, 1),
        ("412 Precondition Failed", "PreconditionFailed", .putTag, .conflict, 1),
        ("412 Precondition Failed", "", .putNew, .alreadyExists, 1),
        ("409 Conflict", "ConditionalRequestConflict", .putTag, .conflict, 1),
        ("409 Conflict", "ConditionalRequestConflict", .putNew, .busy, 6),
        ("409 Conflict", "OperationAborted", .put, .busy, 6),
        ("409 Conflict", "BucketNotEmpty", .put, .io, 1),
        ("404 Not Found", "NoSuchKey", .get, .notFound, 1),
        ("404 Not Found", "NoSuchKey", .delete, nil, 1),
        ("404 Not Found", "NoSuchKey", .putTag, .conflict, 1),
        ("404 Not Found", "NoSuchBucket", .get, .io, 1),
        ("404 Not Found", "NoSuchBucket", .delete, .io, 1),
        ("404 Not Found", "", .get, .io, 1),
        ("403 Forbidden", "InvalidAccessKeyId", .get, .denied, 1),
        ("403 Forbidden", "SignatureDoesNotMatch", .put, .denied, 1),
        ("403 Forbidden", "AccessDenied", .list, .denied, 1),
        ("403 Forbidden", "", .delete, .denied, 1),
        ("400 Bad Request", "ExpiredToken", .get, .denied, 1),
        ("403 Forbidden", "QuotaExceeded", .put, .noSpace, 1),
        ("507 Insufficient Storage", "XMinioStorageFull", .put, .noSpace, 1),
        ("507 Insufficient Storage", "", .putNew, .noSpace, 1),
        ("400 Bad Request", "EntityTooLarge", .put, .tooLarge, 1),
        ("301 Moved Permanently", "PermanentRedirect", .get, .io, 1),
        ("307 Temporary Redirect", "", .get, .io, 1),
        ("400 Bad Request", "InvalidRequest", .put, .io, 1),
        ("501 Not Implemented", "NotImplemented", .putNew, .io, 1),
    ]

    @Test func everyAnswerHasAMeaning() throws {
        let proxy = try FaultProxy()
        let client = try makeClient(proxy)
        for (status, code, call, meaning, attempts) in Self.meanings {
            let before = proxy.requests.count
            proxy.on { _ in .answer(status, body: code.isEmpty ? "" : errorText(code)) }
            let error = make(call, client)
            let what = "\(status) \(code) to \(call): \(String(describing: error))"
            #expect(error?.code == meaning, "\(what)")
            #expect(proxy.requests.count - before == attempts, "\(what)")
            if let error { #expect(error.operation.hasSuffix("k") || call == .list, "\(what)") }
        }
        // One connection does for all of it: a refusal is an answer.
        #expect(proxy.connections == 1)
    }

    @Test func textsSayWhatToDo() throws {
        let proxy = try FaultProxy()
        let client = try makeClient(proxy)
        func text(_ status: String, _ code: String, extra: String = "") -> String {
            proxy.on { _ in .answer(status, body: errorText(code, "words", extra: extra)) }
            return make(.get, client)?.description ?? ""
        }
        #expect(text("403 Forbidden", "InvalidAccessKeyId").contains("AWS_ACCESS_KEY_ID"))
        #expect(text("403 Forbidden", "SignatureDoesNotMatch").contains("secret key"))
        #expect(text("404 Not Found", "NoSuchBucket").contains("no bucket disks at http://127"))
        #expect(
            text("400 Bad Request", "AuthorizationHeaderMalformed", extra: "<Region>eu-1</Region>")
                .contains("in region eu-1, not us-east-1"))
        // What a hostile server says is shown as far as it can be.
        let long = text("400 Bad Request", "Odd", extra: "<Region>\u{1b}[2J</Region>")
        #expect(long.contains("400 Odd: words") && !long.contains("\u{1b}"))
        proxy.on { _ in
            .answer("400 Bad", body: errorText("Odd", String(repeating: "x", count: 9999)))
        }
        #expect((make(.get, client)?.description.utf8.count ?? 9999) < 400)
        proxy.on { _ in .answer("400 Bad", body: String(repeating: "x", count: 1 << 20)) }
        #expect(make(.get, client)?.code == .io)
    }

    @Test func anotherClockIsTakenOver() throws {
        let proxy = try FaultProxy()
        // A server whose clock says 24 May 2013, midnight.
        proxy.on { request in
            if request.headers["x-amz-date"]?.hasPrefix("20130524T0000") == true {
                return .answer("200 OK", headers: ["ETag: \"a\""])
            }
            return .answer(
                "403 Forbidden", headers: ["Date: Fri, 24 May 2013 00:00:00 GMT"],
                body: errorText("RequestTimeTooSkewed"))
        }
        let client = try makeClient(proxy)
        #expect(try client.put("k", [1], if: .absent) == ObjectTag("a"))
        #expect(proxy.requests.count == 2)
        // From now on at once.
        _ = try client.put("k", [1])
        #expect(proxy.requests.count == 3)
        // A server whose own answer does not help is told as it is.
        proxy.on { _ in
            .answer(
                "403 Forbidden", headers: ["Date: Fri, 24 May 2013 00:00:00 GMT"],
                body: errorText("RequestTimeTooSkewed"))
        }
        let error = make(.put, client)
        #expect(error?.code == .denied && error?.cause.contains("clock") == true)
    }

    @Test func nobodyThereIsBusy() throws {
        let port = try Loopback.freePorts(1)[0]
        let place = try S3Place("s3://disks/p", endpoint: "http://127.0.0.1:\(port)")
        let time = QuickTime()
        let credentials = try S3Credentials(environment: [
            "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
        ])
        let client = S3Client(place, credentials: credentials, time: time)
        let error = make(.putNew, client)
        #expect(error?.code == .busy && error?.cause.contains("not reached") == true)
        #expect(time.sleeps.count == 5)
    }

    @Test func silenceAndHalfRequestsAreTold() throws {
        let proxy = try FaultProxy()
        proxy.on { _ in .silence }
        let client = try makeClient(proxy) {
            $0.http.limit = .milliseconds(300)
            $0.policy.attempts = 2
        }
        #expect(make(.get, client)?.code == .unanswered)
        #expect(proxy.requests.count == 2)
        #expect(make(.putNew, client)?.code == .unanswered)
        #expect(proxy.requests.count == 3)
    }
}
