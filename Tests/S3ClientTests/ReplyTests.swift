import ChunkStore
import S3Store
import ServerFixtures
import Synchronization
import Testing

@testable import S3Client

/// Answers that are odd, short or false, of a server that a proxy plays.
@Suite("S3Client: replies")
struct ReplyTests {
    private static let data = String(decoding: (0..<100).map { UInt8($0 % 26 + 97) }, as: UTF8.self)

    private func client(
        _ status: String, _ headers: [String], body: String = ""
    ) throws -> S3Client {
        let proxy = try FaultProxy()
        proxy.on { _ in .answer(status, headers: headers, body: body) }
        held.append(proxy)
        return try makeClient(proxy) { $0.policy.attempts = 2 }
    }

    /// Keeps the proxies of a test.
    private let held = Held()

    private final class Held: Sendable {
        private let proxies = Mutex<[FaultProxy]>([])
        func append(_ proxy: FaultProxy) { proxies.withLock { $0.append(proxy) } }
    }

    @Test func aServerMayIgnoreRanges() throws {
        let client = try client("200 OK", ["ETag: abc"], body: Self.data)
        let (bytes, part) = try client.get("k", 10, 20)
        #expect(bytes == Array(Array(Self.data.utf8)[10..<30]))
        #expect(part == ObjectPart(count: 20, size: 100, tag: ObjectTag("abc")))
        #expect(try client.get("k", 90, 20).0 == Array(Array(Self.data.utf8)[90...]))
        #expect(try client.get("k", 100, 20).1.count == 0)
        #expect(try client.get("k", 0, 200).0 == Array(Self.data.utf8))
        #expect(try client.get("k", 200, 0).1.size == 100)
    }

    @Test func tagsHaveQuotesOrNot() throws {
        for text in ["\"a-b\"", "a-b"] {
            let client = try client("200 OK", ["ETag: \(text)"])
            #expect(try client.put("k", [1]) == ObjectTag("a-b"))
        }
        for text in ["", "\"\"", "a b", "\"a\"b\""] {
            let client = try client("200 OK", ["ETag: \(text)"])
            #expect(storeError { _ = try client.put("k", [1]) }?.code == .io)
        }
        let proxy = try FaultProxy()
        proxy.on { _ in .answer("200 OK", headers: ["ETag: \"x\""]) }
        _ = try makeClient(proxy).put("k", [1], if: .tag(ObjectTag("a-b")))
        _ = try makeClient(proxy).put("k", [1], if: .absent)
        #expect(proxy.requests[0].headers["if-match"] == "\"a-b\"")
        #expect(proxy.requests[1].headers["if-none-match"] == "*")
    }

    /// The range, the bytes, and whether it is what was asked for: 10 bytes at 20.
    @Test(
        arguments: [
            ("bytes 20-29/100", 10, nil), ("bytes 20-24/25", 5, nil),
            ("bytes 20-24/100", 5, .unanswered), ("bytes 21-30/100", 10, .io),
            ("bytes 20-39/100", 20, .io), ("bytes 20-29/*", 10, .io), ("", 10, .io),
            ("bytes 20-29/100", 9, .unanswered), ("bytes 20-29/100", 11, .unanswered),
            ("bytes 29-20/100", 10, .io), ("bytes 20-29/29", 10, .io),
        ] as [(String, Int, StoreError.Code?)])
    func rangesAreCompared(range: String, count: Int, code: StoreError.Code?) throws {
        let client = try client(
            "206 Partial Content", ["ETag: a", "Content-Range: \(range)"],
            body: String(Self.data.prefix(count)))
        var read: [UInt8] = []
        let error = storeError { read = try client.get("k", 20, 10).0 }
        #expect(error?.code == code, "\(String(describing: error))")
        if code == nil { #expect(read == Array(Self.data.utf8.prefix(count))) }
    }

    @Test func behindTheEndThereIsNothing() throws {
        let proxy = try FaultProxy()
        proxy.on { request in
            request.method == "HEAD"
                ? .answer("200 OK", headers: ["ETag: \"e\""], body: "")
                : .answer("416 Range Not Satisfiable", body: errorText("InvalidRange"))
        }
        let part = try makeClient(proxy).get("k", 5, 10).1
        #expect(part == ObjectPart(count: 0, size: 0, tag: ObjectTag("e")))
        #expect(try makeClient(proxy).get("k", .max, 10).1.count == 0)
    }

    @Test func aListingIsPutTogether() throws {
        let proxy = try FaultProxy()
        proxy.on { request in
            let isSecond = request.target.contains("continuation-token=n%2F1%3D")
            let items = isSecond ? ["p/b", "p/a/x", "q/z"] : ["p/c", "p/ä", "p/d/", "p/b"]
            let contents = items.map { "<Contents><Key>\($0)</Key><Size>3</Size></Contents>" }
            let more =
                isSecond
                ? "<IsTruncated>false</IsTruncated>"
                : "<IsTruncated>true</IsTruncated>"
                    + "<NextContinuationToken>n/1=</NextContinuationToken>"
            let folders =
                "<CommonPrefixes><Prefix>p/g/</Prefix></CommonPrefixes>"
                + "<CommonPrefixes><Prefix>p/f/</Prefix></CommonPrefixes>"
            return .answer(
                "200 OK",
                body: "<ListBucketResult>\(more)\(contents.joined())\(folders)</ListBucketResult>")
        }
        let listing = try makeClient(proxy).list("", isDeep: false)
        #expect(listing.objects.map(\.key.text) == ["a/x", "b", "c"])
        #expect(listing.objects.allSatisfy { $0.size == 3 })
        #expect(listing.folders == ["f", "g"])
        #expect(proxy.requests.count == 2)
        #expect(proxy.requests[0].target.contains("prefix=p%2F"))
    }

    @Test func listingsWithoutEndAreLeft() throws {
        let page =
            "<ListBucketResult><IsTruncated>true</IsTruncated>"
            + "<NextContinuationToken>x</NextContinuationToken></ListBucketResult>"
        let error = storeError { _ = try client("200 OK", [], body: page).list("", isDeep: true) }
        #expect(error?.code == .io && error?.cause.contains("repeats") == true)
        for body in ["", "<html></html>", "<!DOCTYPE a>"] {
            let error = storeError {
                _ = try client("200 OK", [], body: body).list("", isDeep: true)
            }
            #expect(error?.code == .io && error?.cause.contains("no listing") == true)
        }
    }

    @Test func headsHaveALimit() throws {
        let many = (0..<2000).map { "X-\($0): \(String(repeating: "y", count: 90))" }
        let client = try client("200 OK", many + ["ETag: a"])
        #expect(storeError { _ = try client.put("k", [1]) } != nil)
    }
}
