/// Where a store lies in Ceph, and as whom it is reached.
///
/// As text: `rados://POOL/PREFIX?id=USER&conf=FILE&timeout=SECONDS`, where what follows the `?` may
/// be left out. The prefix is the RADOS namespace of the store, so a user's key can be bound to it
/// (`osd 'allow rwx pool=POOL namespace=PREFIX'`), and many stores share a pool.
public struct RADOSPlace: Sendable, Hashable, CustomStringConvertible {
    public static let usualConfiguration = "/etc/ceph/ceph.conf"

    public var pool: String
    public var prefix: String
    /// The user, without `client.`.
    public var user: String
    public var configuration: String
    /// Seconds that an answer may take before the call is given up.
    public var timeout: Int
    /// How the chunks are made up that are created here; nil: it is not known. What is there is
    /// read as it was made.
    public var chunkShape: ChunkShape?

    public init(
        pool: String, prefix: String, user: String = "admin",
        configuration: String = usualConfiguration, timeout: Int = 60
    ) {
        self.pool = pool
        self.prefix = prefix
        self.user = user
        self.configuration = configuration
        self.timeout = timeout
    }

    /// nil if `uri` is not of that form. `configuration` is what holds if the URI names none:
    /// CEPH_CONF, where it is set.
    public init?(uri: String, configuration: String? = nil) {
        guard uri.hasPrefix("rados://") else { return nil }
        let parts = uri.dropFirst("rados://".count).split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts[0].split(
            separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard path.count == 2, Self.isName(path[0]),
            path[1].split(separator: "/", omittingEmptySubsequences: false)
                .allSatisfy(Self.isName)
        else { return nil }
        self.init(pool: String(path[0]), prefix: String(path[1]))
        if let configuration { self.configuration = configuration }
        for setting in parts.dropFirst().joined().split(separator: "&") {
            let pair = setting.split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { return nil }
            switch pair[0] {
            case "id" where Self.isName(pair[1]): user = String(pair[1])
            case "conf" where pair[1].hasPrefix("/"): self.configuration = String(pair[1])
            case "timeout":
                guard let seconds = Int(pair[1]), (1...3600).contains(seconds) else { return nil }
                timeout = seconds
            default: return nil
            }
        }
    }

    public var description: String { "rados://\(pool)/\(prefix)" }

    private static func isName(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.count <= 200 && !text.hasPrefix("-")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
