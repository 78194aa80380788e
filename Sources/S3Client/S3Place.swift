import ChunkStore
import S3Store

/// Where a store lies: a bucket of a server, and what its keys begin with.
public struct S3Place: Sendable, Hashable, CustomStringConvertible {
    /// How the server is told which bucket.
    public enum Addressing: String, Sendable {
        /// As the first part of the path, which every server but AWS's newest regions takes.
        case path
        /// As the first part of the host's name.
        case virtualHost = "virtual"
    }

    public static let schemeText = "s3://"

    public let bucket: String
    /// Empty, or ends with `/`.
    public let prefix: String
    /// `https` or `http`.
    public let scheme: String
    /// Host, and port if it is not the scheme's own, as they stand in a URL; without the bucket.
    public let authority: String
    public let region: String
    public let addressing: Addressing

    /// - `text`: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    /// - `endpoint`: `https://HOST[:PORT]`; nil: AWS in that region.
    /// - `addressing`: nil: by the host's name at AWS, by the path elsewhere.
    ///
    /// Throws `.io`, saying which part cannot be used.
    public init(
        _ text: String, endpoint: String? = nil, region: String? = nil,
        addressing: Addressing? = nil
    ) throws(StoreError) {
        guard text.hasPrefix(Self.schemeText) else {
            throw Self.refusal(text, "it does not begin with s3://")
        }
        let parts = text.dropFirst(Self.schemeText.count)
            .split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        bucket = String(parts[0])
        guard Self.isBucket(bucket) else {
            throw Self.refusal(
                text,
                "\"\(Printable.text(bucket))\" is no bucket: 3 to 63 letters, digits, '-', '.'")
        }
        prefix = try Self.prefix(parts.count > 1 ? parts[1] : "", text)
        let region = region ?? "us-east-1"
        guard Self.isLabel(region) else {
            throw Self.refusal(text, "the region is letters, digits and '-', like us-east-1")
        }
        self.region = region
        let isAWS = endpoint == nil
        let url = endpoint ?? "https://s3.\(region).amazonaws.com"
        (scheme, authority) = try Self.server(url)
        self.addressing =
            addressing ?? (isAWS && !bucket.contains(".") ? .virtualHost : .path)
        if self.addressing == .virtualHost {
            guard Self.isLabel(bucket) || scheme == "http" else {
                throw Self.refusal(
                    text, "no certificate is for a bucket with a dot in its name: use path style")
            }
            guard !authority.hasPrefix("["), authority.contains(where: \.isLetter) else {
                throw Self.refusal(
                    text, "an address (\(authority)) has no names of buckets: use path style")
            }
        }
    }

    /// What people may read, and what `init` takes.
    public var description: String {
        let folder = prefix.isEmpty ? "" : "/" + prefix.dropLast()
        return "\(Self.schemeText)\(bucket)\(folder)"
    }

    public var endpoint: String { "\(scheme)://\(authority)" }

    /// Host (and port) that requests go to.
    var host: String { addressing == .path ? authority : "\(bucket).\(authority)" }

    /// The path of the bucket itself, without a `/` at its end.
    var root: String { addressing == .path ? "/\(bucket)" : "" }

    private static func prefix(
        _ rest: Substring, _ text: String
    ) throws(StoreError) -> String {
        var rest = rest
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        if rest.isEmpty { return "" }
        guard rest.utf8.count <= 100, ObjectName(String(rest)) != nil else {
            throw refusal(
                text,
                "a prefix is up to 100 letters, digits, '.', '_' and '-', with '/' between parts")
        }
        return rest + "/"
    }

    private static func server(_ url: String) throws(StoreError) -> (String, String) {
        guard let scheme = ["https", "http"].first(where: { url.hasPrefix($0 + "://") }) else {
            throw refusal(url, "an endpoint begins with https:// (or http://)")
        }
        var rest = url.dropFirst(scheme.count + 3)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        guard !rest.contains("@") else {
            throw refusal(
                "\(scheme)://…", "an endpoint holds no user or password; they would be shown to all"
            )
        }
        guard let (host, port) = hostAndPort(rest) else {
            throw refusal(url, "an endpoint is https://HOST or https://HOST:PORT, and no path")
        }
        let own = scheme == "https" ? 443 : 80
        return (scheme, port == nil || port == UInt16(own) ? host : "\(host):\(port ?? 0)")
    }

    private static func hostAndPort(_ text: Substring) -> (String, UInt16?)? {
        var host = text
        var port: UInt16?
        let end = text.hasPrefix("[") ? text.firstIndex(of: "]") : text.startIndex
        guard let end else { return nil }
        if let colon = text[end...].firstIndex(of: ":") {
            port = UInt16(text[text.index(after: colon)...])
            guard port ?? 0 > 0 else { return nil }
            host = text[..<colon]
        }
        if host.hasPrefix("[") {
            let digits = host.dropFirst().dropLast()
            let isAddress =
                host.hasSuffix("]") && digits.contains(":")
                && digits.allSatisfy { $0 == ":" || $0 == "." || ($0.isASCII && $0.isHexDigit) }
            return isAddress ? (String(host), port) : nil
        }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        guard host.utf8.count <= 253, labels.allSatisfy(isLabel) else { return nil }
        return (host.lowercased(), port)
    }

    private static func isLabel(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.count <= 63
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
    }

    private static func isBucket(_ text: String) -> Bool {
        (3...63).contains(text.utf8.count) && !text.contains("..") && text.first != "."
            && text.allSatisfy {
                $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0))
            }
    }

    private static func refusal(_ text: String, _ problem: String) -> StoreError {
        StoreError(.io, operation: Printable.text(text), cause: problem)
    }
}
