import ChunkStore
import Foundation
import LocalStore
import S3Store
import ServerFixtures
import Synchronization

@testable import S3Client

/// Time that passes only when somebody sleeps.
final class QuickTime: StoreTime {
    private let state = Mutex<(now: Duration, sleeps: [Duration])>((.seconds(1), []))

    var sleeps: [Duration] { state.withLock { $0.sleeps } }
    func now() -> Duration { state.withLock { $0.now } }

    func sleep(for duration: Duration) {
        state.withLock { state in
            state.now += duration
            state.sleeps.append(duration)
        }
    }
}

/// A client with a prefix of its own, in the bucket of a server or of what stands before it.
func makeClient(
    _ server: any S3Server, endpoint: String? = nil, addressing: S3Place.Addressing? = nil,
    environment: [String: String]? = nil, time: any StoreTime = QuickTime(),
    _ change: (inout S3Client.Options) -> Void = { _ in }
) throws -> S3Client {
    let place = try S3Place(
        "s3://\(server.bucket)/t-\(UUID().uuidString.prefix(8))",
        endpoint: endpoint ?? server.endpoint, addressing: addressing)
    var options = S3Client.Options()
    change(&options)
    return S3Client(
        place, credentials: try S3Credentials(environment: environment ?? server.environment),
        time: time, options: options)
}

/// One for a server that only a proxy plays.
func makeClient(
    _ proxy: FaultProxy, time: any StoreTime = QuickTime(),
    _ change: (inout S3Client.Options) -> Void = { _ in }
) throws -> S3Client {
    let environment = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"]
    var options = S3Client.Options()
    change(&options)
    return S3Client(
        try S3Place("s3://disks/p", endpoint: proxy.endpoint),
        credentials: try S3Credentials(environment: environment), time: time, options: options)
}

extension S3Client {
    func put(
        _ key: String, _ bytes: [UInt8], if condition: PutCondition = .always
    ) throws(StoreError) -> ObjectTag {
        try bytes.withUnsafeBufferPointer { (bytes) throws(StoreError) in
            try put(ObjectKey(key), UnsafeRawBufferPointer(bytes), if: condition)
        }
    }

    func get(_ key: String, _ offset: UInt64, _ count: Int) throws -> ([UInt8], ObjectPart) {
        var bytes = [UInt8](repeating: 0xee, count: count)
        let part = try bytes.withUnsafeMutableBytes { buffer in
            try get(ObjectKey(key), from: offset, into: buffer)
        }
        return (Array(bytes[..<part.count]), part)
    }

    func delete(_ key: String) throws { try delete(ObjectKey(key)) }
}

/// The store's error that `body` throws, nil if it throws none.
func storeError(_ body: () throws -> Void) -> StoreError? {
    do {
        try body()
        return nil
    } catch {
        return error as? StoreError
    }
}

func errorText(_ code: String, _ message: String = "no", extra: String = "") -> String {
    "<?xml version=\"1.0\"?>\n<Error>"
        + "<Code>\(code)</Code><Message>\(message)</Message>\(extra)</Error>"
}

/// Bytes that repeat at no distance that a test reads at.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &* 7 &+ $0 >> 16) }
}

/// What several threads of a test have.
final class Shared<Value: Sendable>: Sendable {
    let value: Mutex<Value>

    init(_ value: Value) { self.value = Mutex(value) }
}

/// Runs `body` on so many threads at once, to their ends; what they threw.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) -> [String] {
    let failures = Shared<[String]>([])
    let group = DispatchGroup()
    for thread in 0..<count {
        group.enter()
        Thread.detachNewThread {
            do { try body(thread) } catch { failures.value.withLock { $0.append("\(error)") } }
            group.leave()
        }
    }
    group.wait()
    return failures.value.withLock { $0 }
}

/// Seconds that `body` takes.
func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = HostTime().now()
    try body()
    return (HostTime().now() - start) / .seconds(1)
}
