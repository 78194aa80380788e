import ChunkStore
import Foundation
import LocalStore
import S3Store
import ServerFixtures
import Synchronization
import Testing

@testable import S3Client

/// A real server behind a proxy that breaks what passes.
@Suite("S3Client: faults")
struct FaultTests {
    private let server: SeaweedFS
    private let proxy: FaultProxy

    init() throws {
        server = try SeaweedFS.shared.get()
        proxy = try FaultProxy(to: server.port)
    }

    private func client(
        time: any StoreTime = QuickTime(), _ change: (inout S3Client.Options) -> Void = { _ in }
    ) throws -> S3Client {
        try makeClient(server, endpoint: proxy.endpoint, time: time, change)
    }

    @Test func throttledThriceItSucceeds() throws {
        let time = QuickTime()
        let client = try client(time: time)
        let slow = FaultProxy.Action.answer("503 Slow Down", body: errorText("SlowDown"))
        proxy.script(slow, slow, slow)
        let tag = try client.put("k", [1, 2, 3], if: .absent)
        #expect(time.sleeps.count == 3)
        #expect(try client.get("k", 0, 8).0 == [1, 2, 3])
        proxy.script(slow, slow, slow)
        #expect(try client.get("k", 0, 8).1.tag == tag)
        #expect(client.requests.puts == 4 && client.requests.gets == 5)
        #expect(client.requests.failures == 6)
        #expect(client.requests.bytesSent == 12)
    }

    @Test func halfBodiesAreAskedForAgain() throws {
        let client = try client()
        let bytes = pattern(1 << 20)
        _ = try client.put("k", bytes)
        proxy.script(.cutBody, .cutBody)
        let (read, part) = try client.get("k", 4096, 512 << 10)
        #expect(read == Array(bytes[4096..<(4096 + 512 << 10)]))
        #expect(part.size == 1 << 20)
        #expect(client.requests.gets == 3)
        // Where each answer is half, there is no answer.
        proxy.on { _ in .cutBody }
        #expect(storeError { _ = try client.get("k", 0, 4096) }?.code == .unanswered)
        #expect(storeError { _ = try client.list("", isDeep: true) }?.code == .unanswered)
    }

    @Test func aLostPutIsRepeatedOnlyWithoutCondition() throws {
        let client = try client()
        proxy.script(.resetBefore, .resetAfter)
        let tag = try client.put("k", [1])
        #expect(client.requests.puts == 3)
        // It was done, and the second host that asks is told so.
        proxy.script(.resetAfter)
        let before = proxy.requests.count
        #expect(storeError { _ = try client.put("k", [2], if: .tag(tag)) }?.code == .unanswered)
        #expect(proxy.requests.count == before + 1)
        #expect(try client.get("k", 0, 1).0 == [2])
        proxy.script(.resetBefore)
        #expect(storeError { _ = try client.put("new", [1], if: .absent) }?.code == .unanswered)
        #expect(storeError { _ = try client.get("new", 0, 1) }?.code == .notFound)
    }

    /// What became of a put without an answer proves nothing.
    /// What a client that was killed had sent of a put: its head, and nothing of its body.
    @Test func aHeadWithoutItsBodyReplacesNothing() throws {
        let client = try client()
        let tag = try client.put("k", [1, 2, 3], if: .absent)
        proxy.script(.cutRequest)
        #expect(storeError { _ = try client.put("k", [4], if: .tag(tag)) }?.code == .unanswered)
        #expect(try client.get("k", 0, 8).0 == [1, 2, 3])
        proxy.script(.cutRequest)
        #expect(storeError { _ = try client.put("new", [4], if: .absent) }?.code == .unanswered)
        #expect(storeError { _ = try client.get("new", 0, 8) }?.code == .notFound)
    }

    @Test func theProofIsTriedAnewWhereAnAnswerIsLost() throws {
        let client = try client()
        proxy.script(.forward, .forward, .resetAfter, .forward, .forward, .resetBefore)
        try client.proveConditions()
        #expect(try client.list("", isDeep: true).objects.isEmpty)
        proxy.on { _ in .resetAfter }
        #expect(storeError { try client.proveConditions() }?.code == .unanswered)
    }

    @Test func deletesAndListsAreRepeated() throws {
        let client = try client()
        _ = try client.put("k", [1])
        proxy.script(.resetAfter)
        try client.delete("k")
        proxy.script(.resetBefore, .resetAfter)
        #expect(try client.list("", isDeep: true).objects.isEmpty)
    }

    @Test func aSlowAnswerIsWaitedFor() throws {
        let client = try client()
        proxy.script(.delay(0.3))
        #expect(try seconds { _ = try client.put("k", [1]) } > 0.29)
    }

    /// A file of credentials, written as who renews them does: never half of it.
    private struct KeyFile: Sendable {
        let path = NSTemporaryDirectory() + "/keys-\(UUID().uuidString)"

        func write(_ access: String, _ secret: String) throws {
            let text = "[default]\naws_access_key_id=\(access)\naws_secret_access_key=\(secret)\n"
            try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        }
    }

    @Test func wrongKeysAreToldAndMendedWithoutRestart() throws {
        let file = KeyFile()
        defer { unlink(file.path) }
        try file.write(server.accessKey, "of-yesterday")
        let client = try makeClient(
            server, environment: ["AWS_SHARED_CREDENTIALS_FILE": file.path])
        let error = storeError { _ = try client.put("k", [1]) }
        #expect(error?.code == .denied && error?.cause.contains(file.path) == true)
        #expect(error?.description.contains("of-yesterday") == false)
        try file.write(server.accessKey, server.secretKey)
        _ = try client.put("k", [1], if: .absent)
    }

    /// The keys expire while eight threads work; the file has had others for a moment.
    @Test func keysThatExpireAreRenewedUnnoticed() throws {
        let file = KeyFile()
        defer { unlink(file.path) }
        try file.write(server.accessKey, server.secretKey)
        let client = try makeClient(
            server, endpoint: proxy.endpoint,
            environment: ["AWS_SHARED_CREDENTIALS_FILE": file.path])
        let old = server.accessKey
        let refused = Shared(0)
        proxy.on { request in
            let isOld = request.headers["authorization"]?.contains("=\(old)/") == true
            guard request.number >= 60, isOld else { return .forward }
            refused.value.withLock { $0 += 1 }
            return .answer("400 Bad Request", body: errorText("ExpiredToken"))
        }
        let failures = onThreads(8) { thread in
            for index in 0..<20 {
                if thread == 0, index == 1 { try file.write(SeaweedFS.secondKey, server.secretKey) }
                _ = try client.put("k-\(thread)-\(index)", [UInt8(index)], if: .absent)
            }
        }
        #expect(failures.isEmpty, "\(failures)")
        #expect(refused.value.withLock { (1...8).contains($0) })
        #expect(try client.list("", isDeep: true).objects.count == 160)
        #expect(proxy.requests.last?.headers["authorization"]?.contains("AKIDRENEWED/") == true)
    }

    /// As radosgw does: a tag is compared as it stands there.
    @Test func theProofLearnsHowTagsAreWritten() throws {
        let proxy = try FaultProxy()
        let object = Shared<String?>(nil)
        proxy.on { request in
            object.value.withLock { object in
                if request.method == "DELETE" { return .answer("204 No Content") }
                let isNew = request.headers["if-none-match"] == nil || object == nil
                let asked = request.headers["if-match"]
                guard isNew, asked == nil || asked == object else {
                    return .answer(
                        "412 Precondition Failed", body: errorText("PreconditionFailed"))
                }
                let tag = "tag\(request.number)"
                object = tag
                return .answer("200 OK", headers: ["ETag: \"\(tag)\""])
            }
        }
        let client = try makeClient(proxy)
        try client.proveConditions()
        let tag = try client.put("k", [1])
        _ = try client.put("k", [2], if: .tag(tag))
        #expect(proxy.requests.last?.headers["if-match"] == tag.text)
        proxy.on { request in
            request.headers["if-match"] == nil && request.method == "PUT"
                && request.body == Array("first".utf8)
                ? .answer("200 OK", headers: ["ETag: a"])
                : .answer("412 Precondition Failed", body: errorText("PreconditionFailed"))
        }
        let error = storeError { try makeClient(proxy).proveConditions() }
        #expect(error?.cause.contains("does not replace") == true)
    }

    /// A server that does not know the header answers 200, as if it had been sent without.
    @Test(arguments: ["if-none-match", "if-match"])
    func theProofSeesWhatIsIgnored(header: String) throws {
        let client = try client()
        try client.proveConditions()
        let first = proxy.requests.count
        proxy.on { request in
            request.headers[header] != nil && request.number > first
                ? .answer("200 OK", headers: ["ETag: \"other\""]) : .forward
        }
        let error = storeError { try client.proveConditions() }
        #expect(error?.code == .io, "\(String(describing: error))")
        #expect(error?.cause.lowercased().contains(header) == true)
        #expect(try client.list("", isDeep: true).objects.isEmpty)
    }
}
