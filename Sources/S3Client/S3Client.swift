import ChunkStore
import CryptoPrimitives
import Glibc
import HTTP
import S3Store
import Synchronization

/// A bucket, or the part of one below a prefix, over HTTP.
///
/// - A request goes out signed, over a connection that no other has at that time; connections are
///   kept. Calls of several threads do not wait for each other.
/// - What was refused for load or time, or got no answer, is asked again as `S3Call.repeatable`
///   allows, bounded by the policy. A put on a condition is made once unless the server refused it.
/// - Fewer bytes than the server announced are a failure, never an answer.
public final class S3Client: ObjectStorage {
    public struct Options: Sendable {
        public var http: HTTPClient.Options
        public var policy = RetryPolicy(
            attempts: 6, firstWait: .milliseconds(100), longestWait: .seconds(5),
            patience: .seconds(30))
        /// Seconds since 1970 by this host's clock.
        public var wallClock: @Sendable () -> Int64 = { Int64(Glibc.time(nil)) }
        /// Spreads the waits.
        public var random: @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }

        public init() {
            http = HTTPClient.Options()
            http.limit = .seconds(300)
            http.stallLimit = .seconds(20)
        }
    }

    public let place: S3Place
    let credentials: S3Credentials
    let policy: RetryPolicy
    let time: any StoreTime
    let retrying: Retrying
    let meter = S3Meter()
    private let http: HTTPClient
    private let wallClock: @Sendable () -> Int64
    /// Whether `If-Match` has a tag without its quotes; `proveConditions` finds out.
    let sendsBareTags = Atomic(false)
    /// What the server's clock is ahead of this host's, in seconds.
    private let clockOffset = Atomic<Int64>(0)

    public init(
        _ place: S3Place, credentials: S3Credentials, time: any StoreTime,
        options: Options = Options()
    ) {
        self.place = place
        self.credentials = credentials
        http = HTTPClient(options.http)
        wallClock = options.wallClock
        policy = options.policy
        self.time = time
        retrying = Retrying(policy: options.policy, time: time, random: options.random)
    }

    public var requests: BackendRequests { meter.counts }

    /// Asks once, and once more each if other keys may help and if the clocks differ.
    func ask<A: S3Answer>(
        _ request: S3Request, accepting statuses: Set<Int>, _ makeAnswer: () -> A
    ) throws(StoreError) -> (HTTPReply, A) {
        var keys = try credentials.current()
        var (mayRenew, maySet) = (true, true)
        while true {
            let answer = makeAnswer()
            let reply = try send(request, by: keys, to: answer)
            meter.countReceived(answer.received)
            if statuses.contains(reply.status) { return (reply, answer) }
            let refusal = ServerError(reply.head, answer.refusal)
            if maySet, refusal.isSkewed, let date = refusal.date {
                maySet = false
                clockOffset.store(date.seconds - wallClock(), ordering: .relaxed)
                continue
            }
            if mayRenew, refusal.isAboutKeys, let newer = credentials.renewed(after: keys) {
                mayRenew = false
                keys = newer
                continue
            }
            let error = refusal.meaning(
                request.call, operation(request), place, keys: credentials.place)
            if error.code.isTransient { meter.countFailure() }
            throw error
        }
    }

    private func send(
        _ request: S3Request, by keys: S3Keys, to receiver: any HTTPReceiver
    ) throws(StoreError) -> HTTPReply {
        let time = SignedTime(seconds: wallClock() + clockOffset.load(ordering: .relaxed))
        let signed: HTTPRequest
        do throws(CryptoError) {
            signed = try request.signed(for: place, by: keys, at: time)
        } catch {
            throw StoreError(.io, operation: operation(request), cause: error.message)
        }
        meter.count(request.call, sent: request.body?.count ?? 0)
        do throws(HTTPError) {
            return try http.send(signed, to: receiver)
        } catch {
            meter.countFailure()
            throw meaning(of: error, operation(request))
        }
    }

    private func meaning(of error: HTTPError, _ operation: String) -> StoreError {
        switch error.code {
        case .notSent:
            StoreError(
                .busy, operation: operation,
                cause: "\(place.endpoint) was not reached: \(error.cause)")
        case .lost:
            StoreError(
                .unanswered, operation: operation,
                cause: "no answer of \(place.endpoint): \(error.cause)")
        case .untrusted:
            StoreError(
                .io, operation: operation,
                cause: "\(place.endpoint) is not trusted: \(error.cause); name the file of"
                    + " certificates that vouch for it")
        case .unusable: StoreError(.io, operation: operation, cause: error.cause)
        }
    }

    func operation(_ request: S3Request) -> String { "\(request.call.name) \(request.subject)" }
}

/// What a reply is taken by: where data goes, and what the server says instead of it.
protocol S3Answer: HTTPReceiver {
    var refusal: [UInt8] { get }
    /// Bytes of the body so far.
    var received: UInt64 { get }
}

extension RangeReceiver: S3Answer {}

extension HTTPMemory: S3Answer {
    var refusal: [UInt8] { bytes }
    var received: UInt64 { UInt64(bytes.count) }
}
