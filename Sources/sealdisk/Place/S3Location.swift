import ChunkStore
import ControlPlane
import CryptoPrimitives
import S3Client
import S3Store

/// A store on S3 by its URI: `s3://BUCKET/PREFIX?endpoint=…`.
///
/// | setting | meaning | else |
/// |---|---|---|
/// | `endpoint` | `https://HOST[:PORT]` of the server | `$AWS_ENDPOINT_URL`, else AWS |
/// | `region` | what requests are signed for | `$AWS_REGION`, else us-east-1 |
/// | `style` | `path` or `virtual`: how the bucket is named to the server | by the endpoint |
/// | `ca` | file of certificates that vouch for the server | the host's |
/// | `credentials`, `profile` | file with the keys, and which | as AWS's tools |
/// | `durability` | `host` or `store` | `host` |
/// | `lag` | seconds within which the bucket has what this host has | 10 |
/// | `cache` | folder of this host for chunks | one of the host's state folder |
/// | `cache_size` | what copies of chunks may take there | 10 GiB |
/// | `lease` | seconds that the store stays a silent host's | 30 |
struct S3Location: Sendable {
    static let settings = [
        "endpoint", "region", "style", "ca", "credentials", "profile", "durability", "lag", "cache",
        "cache_size", "lease",
    ]

    let place: S3Place
    let options: S3StoreOptions
    let cache: String
    let certificates: String?
    let credentialsFile: String?
    let profile: String?
    let text: String

    /// `endpoint` outweighs nothing that the URI says; both may not differ.
    init(_ uri: StoreURI, endpoint: String?) throws(Failure) {
        var uri = uri
        try uri.demand(Self.settings)
        if let endpoint {
            guard uri.value("endpoint").map({ $0 == endpoint }) ?? true else {
                throw Self.refusal("--endpoint and the store's URI name different servers.")
            }
            uri.set("endpoint", endpoint)
        }
        if uri.value("endpoint") == nil, let usual = environmentVariable("AWS_ENDPOINT_URL") {
            uri.set("endpoint", usual)
        }
        if uri.value("region") == nil, let usual = environmentVariable("AWS_REGION") {
            uri.set("region", usual)
        }
        let style = try Self.style(uri.value("style"))
        do throws(StoreError) {
            place = try S3Place(
                "s3://\(uri.place)", endpoint: uri.value("endpoint"), region: uri.value("region"),
                addressing: style)
        } catch {
            throw Self.refusal("\(error).")
        }
        options = try Self.options(uri)
        for name in ["cache", "ca", "credentials"] {
            if let path = uri.value(name) { uri.set(name, AbsolutePath.ofFile(path)) }
        }
        if let path = uri.value("cache") {
            cache = path
        } else {
            cache = try Self.usualCache(of: place)
        }
        certificates = uri.value("ca")
        credentialsFile = uri.value("credentials")
        profile = uri.value("profile")
        text = uri.text
    }

    private static func style(_ text: String?) throws(Failure) -> S3Place.Addressing? {
        guard let text else { return nil }
        guard let style = S3Place.Addressing(rawValue: text) else {
            throw refusal("style=\(text) is neither path nor virtual.")
        }
        return style
    }

    private static func options(_ uri: StoreURI) throws(Failure) -> S3StoreOptions {
        var options = S3StoreOptions()
        if let text = uri.value("durability") {
            guard let durability = S3StoreOptions.Durability(rawValue: text) else {
                throw refusal("durability=\(text) is neither host nor store.")
            }
            options.durability = durability
        }
        if let seconds = try seconds("lag", uri, 1...3600) { options.lag = seconds }
        if let seconds = try seconds("lease", uri, 2...3600) {
            options.lease = LeaseTerm(length: seconds)
        }
        if let text = uri.value("cache_size") {
            guard let bytes = try? ByteSize.diskSize(text), bytes >= 64 << 20 else {
                throw refusal("cache_size=\(text) is no size of 64M or more.")
            }
            options.cacheBytes = bytes
            options.waitingBytes = min(options.waitingBytes, max(bytes / 2, 64 << 20))
        }
        return options
    }

    private static func seconds(
        _ name: String, _ uri: StoreURI, _ range: ClosedRange<Int>
    ) throws(Failure) -> Duration? {
        guard let text = uri.value(name) else { return nil }
        guard let seconds = Int(text), range.contains(seconds) else {
            throw refusal(
                "\(name)=\(text) is no number of seconds from \(range.lowerBound) to"
                    + " \(range.upperBound).")
        }
        return .seconds(seconds)
    }

    private static func usualCache(of place: S3Place) throws(Failure) -> String {
        guard let folder = StateFolder.path("caches") else {
            throw refusal("There is no state folder for a cache: HOME is not set.")
        }
        return "\(folder)/\(HostFolderName.of("\(place) \(place.endpoint)"))"
    }

    private static func refusal(_ problem: String) -> Failure {
        Failure(
            .invalid, problem,
            advice: "A store on S3 is named s3://BUCKET/PREFIX?endpoint=https://HOST;"
                + " RemoteStores.md says what else may follow.")
    }
}

/// A folder's name for something whose own name may hold anything.
enum HostFolderName {
    /// What can be read of the name, and a hash that tells it from others.
    static func of(_ name: String) -> String {
        let start = name.prefix { $0 != " " }.split(separator: "/").dropFirst()
            .joined(separator: "-").filter {
                $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-")
            }
        let hash = (try? SHA256.hash(Array(name.utf8))).map { Hex.text(Array($0.prefix(8))) }
        return "\(start.prefix(40))-\(hash ?? "")"
    }
}
