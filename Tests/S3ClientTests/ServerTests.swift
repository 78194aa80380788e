import ChunkStore
import Foundation
import HTTP
import LocalStore
import S3Store
import ServerFixtures
import Testing

@testable import S3Client

/// The client with servers as they are.
@Suite("S3Client: servers")
struct ServerTests {
    private func client(
        _ change: (inout S3Client.Options) -> Void = { _ in }
    ) throws -> S3Client {
        try makeClient(try SeaweedFS.shared.get(), time: HostTime(), change)
    }

    @Test func objectsArePutReadAndDeleted() throws {
        let client = try client()
        #expect(storeError { _ = try client.get("a/b", 0, 10) }?.code == .notFound)
        let bytes = pattern(300_000)
        let tag = try client.put("a/b", bytes)
        #expect(try client.get("a/b", 0, 300_000).0 == bytes)
        let (middle, part) = try client.get("a/b", 100_001, 4096)
        #expect(middle == Array(bytes[100_001..<104_097]))
        #expect(part == ObjectPart(count: 4096, size: 300_000, tag: tag))
        #expect(try client.get("a/b", 299_999, 4096).0 == [bytes[299_999]])
        #expect(
            try client.get("a/b", 300_000, 4096).1 == ObjectPart(count: 0, size: 300_000, tag: tag))
        #expect(try client.get("a/b", .max, 10).1.count == 0)
        #expect(try client.get("a/b", 7, 0).1 == ObjectPart(count: 0, size: 300_000, tag: tag))
        let other = try client.put("a/b", Array(bytes.reversed()))
        #expect(other != tag)
        try client.delete("a/b")
        try client.delete("a/b")
        #expect(storeError { _ = try client.get("a/b", 0, 10) }?.code == .notFound)
    }

    @Test func emptyObjectsAreObjects() throws {
        let client = try client()
        let tag = try client.put("empty", [], if: .absent)
        #expect(try client.get("empty", 0, 10).1 == ObjectPart(count: 0, size: 0, tag: tag))
        #expect(storeError { _ = try client.put("empty", [], if: .absent) }?.code == .alreadyExists)
        #expect(try client.list("", isDeep: true).objects.map(\.size) == [0])
    }

    @Test func conditionsHold() throws {
        let client = try client()
        let nobody = ObjectTag("0123456789abcdef0123456789abcdef")
        #expect(storeError { _ = try client.put("k", [1], if: .tag(nobody)) }?.code == .conflict)
        let first = try client.put("k", [1], if: .absent)
        #expect(storeError { _ = try client.put("k", [2], if: .absent) }?.code == .alreadyExists)
        #expect(storeError { _ = try client.put("k", [2], if: .tag(nobody)) }?.code == .conflict)
        #expect(try client.get("k", 0, 1).0 == [1])
        let second = try client.put("k", [2], if: .tag(first))
        #expect(storeError { _ = try client.put("k", [3], if: .tag(first)) }?.code == .conflict)
        #expect(try client.put("k", [3], if: .tag(second)) != second)
        try client.proveConditions()
        #expect(try client.list("", isDeep: true).objects.map(\.key.text) == ["k"])
    }

    /// Of many that want to be the next, one is, each time: what a store's fencing rests on.
    @Test func oneOfManyWins() throws {
        let client = try client()
        let tag = try client.put("counter", [0], if: .absent)
        let wins = Shared<[ObjectTag]>([])
        let failures = onThreads(8) { thread in
            var known = tag
            for _ in 0..<10 {
                do {
                    known = try client.put("counter", pattern(16 + thread), if: .tag(known))
                    wins.value.withLock { $0.append(known) }
                } catch let error as StoreError where error.code == .conflict {
                    known = try client.get("counter", 0, 1).1.tag
                }
            }
        }
        #expect(failures.isEmpty, "\(failures)")
        #expect(wins.value.withLock { $0.count } >= 1)
        let made = Shared(0)
        _ = onThreads(8) { thread in
            _ = try client.put("first", [UInt8(thread)], if: .absent)
            made.value.withLock { $0 += 1 }
        }
        #expect(made.value.withLock { $0 } == 1)
    }

    @Test func manyThreadsDoNotMixThingsUp() throws {
        let client = try client()
        let failures = onThreads(16) { thread in
            for index in 0..<12 {
                let bytes = pattern(10_000 + thread * 997 + index).map { $0 &+ UInt8(thread) }
                let key = "t\(thread)/\(index)"
                let tag = try client.put(key, bytes, if: .absent)
                let (read, part) = try client.get(key, UInt64(index * 11), 5000)
                guard read == Array(bytes[(index * 11)..<(index * 11 + 5000)]), part.tag == tag
                else { throw FixtureError("\(key) is not what was put") }
            }
        }
        #expect(failures.isEmpty, "\(failures)")
        #expect(try client.list("", isDeep: true).objects.count == 192)
        #expect(try client.list("", isDeep: false).folders.count == 16)
        #expect(client.requests.puts == 192 && client.requests.gets == 192)
    }

    @Test func listingsHaveTheOrderOfKeys() throws {
        let client = try client()
        let keys = ["a-b", "a/b", "a/c/d", "a.b", "a", "b/x", "c_d"].filter { $0 != "a" }
        for key in keys { _ = try client.put(key, Array(key.utf8)) }
        let all = try client.list("", isDeep: true)
        #expect(all.objects.map(\.key.text) == ["a-b", "a.b", "a/b", "a/c/d", "b/x", "c_d"])
        #expect(all.objects.map(\.size) == [3, 3, 3, 5, 3, 3])
        let top = try client.list("", isDeep: false)
        #expect(top.objects.map(\.key.text) == ["a-b", "a.b", "c_d"])
        #expect(top.folders == ["a", "b"])
        let below = try client.list("a/", isDeep: false)
        #expect(below.objects.map(\.key.text) == ["a/b"] && below.folders == ["c"])
        #expect(try client.list("a/c/", isDeep: true).objects.map(\.key.text) == ["a/c/d"])
        #expect(try client.list("nothing/", isDeep: true) == ObjectListing())
        for key in keys { try client.delete(key) }
        #expect(try client.list("", isDeep: true) == ObjectListing())
    }

    /// Bodies are not hashed then, and nobody is trusted without a reason.
    @Test func tlsIsVerified() throws {
        let server = try SeaweedFS.shared.get()
        let client = try makeClient(server, endpoint: server.tlsEndpoint, time: HostTime()) {
            $0.http.certificates = server.certificates
        }
        try client.proveConditions()
        let bytes = pattern(3 << 20)
        let failures = onThreads(4) { thread in
            _ = try client.put("k\(thread)", bytes, if: .absent)
            guard
                try client.get("k\(thread)", 1 << 20, 1 << 20).0 == Array(bytes[1 << 20..<2 << 20])
            else { throw FixtureError("k\(thread) is not what was put") }
        }
        #expect(failures.isEmpty, "\(failures)")
        let time = QuickTime()
        let other = try makeClient(server, endpoint: server.tlsEndpoint, time: time)
        let error = storeError { _ = try other.put("k", [1]) }
        #expect(error?.code == .io && error?.cause.contains("not trusted") == true)
        #expect(time.sleeps.isEmpty)
    }

    /// What a server offers with TLS is used; without TLS nobody can offer it in time.
    @Test(arguments: [(true, "HTTP/2"), (false, "HTTP/1.1")])
    func theNewestVersionOfHTTPIsSpoken(isSecure: Bool, version: String) throws {
        let server = try SeaweedFS.shared.get()
        var options = HTTPClient.Options()
        options.certificates = server.certificates
        let client = HTTPClient(options)
        let request = HTTPRequest(
            url: (isSecure ? server.tlsEndpoint : server.endpoint) + "/", headers: HTTPHeaders(),
            content: .none(.get))
        for _ in 0..<2 {
            let reply = try client.send(request, to: HTTPMemory(limit: 1 << 20))
            #expect(reply.head.version == version && reply.status == 403)
        }
    }

    /// Each bucket has a name of its own below the server's.
    @Test func bucketsAreHosts() throws {
        let server = try Gateway.shared.get()
        let client = try makeClient(
            server, endpoint: server.namedEndpoint, addressing: .virtualHost, time: HostTime())
        try client.proveConditions()
        let tag = try client.put("a/b-c", pattern(100_000), if: .absent)
        #expect(try client.get("a/b-c", 10, 10).0 == Array(pattern(100_000)[10..<20]))
        #expect(storeError { _ = try client.put("a/b-c", [1], if: .absent) } != nil)
        _ = try client.put("a/b-c", [1], if: .tag(tag))
        #expect(try client.list("", isDeep: true).objects.map(\.key.text) == ["a/b-c"])
        try client.delete("a/b-c")
        #expect(try client.list("", isDeep: true) == ObjectListing())
    }

    /// Credentials that are given out for a while have a token, which the server looks at.
    @Test func aSessionTokenIsSentAlong() throws {
        let server = try Gateway.shared.get()
        var environment = try server.sessionEnvironment()
        let client = try makeClient(server, environment: environment, time: HostTime())
        try client.proveConditions()
        let tag = try client.put("k", pattern(70_000), if: .absent)
        #expect(
            try client.get("k", 0, 70_000) == (
                pattern(70_000),
                ObjectPart(
                    count: 70_000, size: 70_000, tag: tag)
            ))
        environment["AWS_SESSION_TOKEN"] = nil
        let other = try makeClient(server, environment: environment)
        #expect(storeError { _ = try other.get("k", 0, 1) }?.code == .denied)
    }

    /// More than a server tells at once.
    @Test func longListingsAreWhole() throws {
        let client = try client()
        let failures = onThreads(8) { thread in
            for index in 0..<130 { _ = try client.put("many/\(thread)-\(index)", [1]) }
        }
        #expect(failures.isEmpty, "\(failures)")
        #expect(try client.list("many/", isDeep: true).objects.count == 1040)
        #expect(client.requests.lists == 2)
    }

    @Test func aMissingBucketIsNoMissingObject() throws {
        let server = try SeaweedFS.shared.get()
        let place = try S3Place("s3://nobodys/p", endpoint: server.endpoint)
        let client = S3Client(
            place, credentials: try S3Credentials(environment: server.environment),
            time: QuickTime())
        let error = storeError { _ = try client.get("k", 0, 1) }
        #expect(error?.code == .io && error?.cause.contains("no bucket nobodys") == true)
    }

    @Test func aServerWithoutConditionsIsRefused() throws {
        let server = try RcloneS3()
        let client = try makeClient(server)
        let bytes = pattern(100_000)
        _ = try client.put("a/b", bytes)
        #expect(try client.get("a/b", 1000, 500).0 == Array(bytes[1000..<1500]))
        #expect(try client.list("", isDeep: true).objects.map(\.key.text) == ["a/b"])
        let error = storeError { try client.proveConditions() }
        #expect(error?.code == .io, "\(String(describing: error))")
        #expect(error?.cause.contains("does not heed the conditions") == true)
        #expect(try client.list("", isDeep: true).objects.map(\.key.text) == ["a/b"])
    }

    /// A server that ends in the middle: what was answered stays, and the next call says why not.
    @Test func aServerThatIsKilledIsNotReached() throws {
        let server = try RcloneS3()
        let client = try makeClient(server) { $0.policy.attempts = 2 }
        _ = try client.put("k", [1])
        server.process.end()
        let error = storeError { _ = try client.put("k", [2]) }
        #expect(error?.code == .busy && error?.cause.contains("not reached") == true)
    }
}
