import Foundation
import ServerFixtures
import Testing

/// A store on a server that a test starts, and the hosts that use it: a rig each, with a mount, an
/// anchor and a cache of its own. One that names the server by another address is another host to
/// the program, which otherwise knows the mounts of this host and what is mounted there.
protocol StoreElsewhere {
    /// A URI of it; `host` is 1 or 2, `folder` that host's own.
    func uri(ofHost host: Int, in folder: String) -> String
    var environment: [String: String] { get }
}

extension StoreElsewhere {
    /// Seconds after which a test of one of these hangs.
    private var limit: Double { 150 }

    /// A host, and the store, which it makes.
    func firstHost() throws -> Rig {
        let rig = try host(1)
        try rig.makeStore()
        return rig
    }

    func host(_ number: Int, keysOf first: Rig? = nil) throws -> Rig {
        let folder = Rig.newFolder()
        return try Rig(
            in: folder, store: uri(ofHost: number, in: folder), keysOf: first,
            environment: environment, seconds: limit)
    }
}

/// In a folder of each host: what a copy goes to.
struct StoreInFolder: StoreElsewhere {
    func uri(ofHost _: Int, in folder: String) -> String { folder + "/store" }
    var environment: [String: String] { [:] }
}

/// In a bucket.
struct BucketStore: StoreElsewhere {
    let server: any S3Server
    /// As a URI ends: `lease=3&durability=store`.
    var settings: String
    /// By which the first host reaches the server, if not directly.
    var proxy: FaultProxy?
    private let prefix = "mount-\(UUID().uuidString.prefix(8))"

    init(
        _ server: any S3Server, _ settings: String = "lease=3", through proxy: FaultProxy? = nil
    ) {
        self.server = server
        self.settings = settings
        self.proxy = proxy
    }

    func uri(ofHost host: Int, in folder: String) -> String {
        let address =
            host == 1 ? proxy?.endpoint ?? server.endpoint : "http://localhost:\(server.port)"
        return "s3://\(server.bucket)/\(prefix)?endpoint=\(address)&cache=\(folder)/cache"
            + "&\(settings)"
    }

    var environment: [String: String] { server.environment }
}

/// In a pool of Ceph.
struct PoolStore: StoreElsewhere {
    let cluster: CephCluster
    private let prefix = "mount-\(UUID().uuidString.prefix(8))"

    init(_ cluster: CephCluster) { self.cluster = cluster }

    /// Each host has a configuration of its own, with the same in it.
    func uri(ofHost host: Int, in folder: String) -> String {
        let file = host == 1 ? cluster.configuration : "\(cluster.configuration).\(host)"
        if host != 1, access(file, F_OK) != 0 {
            try? FileManager.default.copyItem(atPath: cluster.configuration, toPath: file)
        }
        return "rados://test/\(prefix)?id=store&conf=\(file)&timeout=60"
    }

    var environment: [String: String] { [:] }
}

extension Rig {
    /// What `status.json` says.
    func status() throws -> [String: Any] {
        let text = try Data(contentsOf: URL(fileURLWithPath: mountPoint + "/status.json"))
        return try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    }

    func backend() throws -> [String: Any] {
        try #require(try status()["backend"] as? [String: Any])
    }

    /// Bytes that are not in the bucket yet.
    func waitingBytes() throws -> Int {
        try #require(try backend()["waitingBytes"] as? Int)
    }

    /// The daemon dies, and its mount is taken away.
    func crash() throws {
        try killDaemon()
        try takeAway()
    }

    /// Mounts the store once the term of a holder that died is over, at the latest in so many
    /// seconds.
    func mountAfterTerm(_ options: String, seconds: Double = 20) throws {
        let end = Date() + seconds
        while true {
            do {
                return try mount(options)
            } catch let failure as Command.Failure {
                guard Date() < end, failure.description.contains("in use by") else { throw failure }
                usleep(200_000)
            }
        }
    }

    /// Of what a file holds.
    static func hash(_ file: String) throws -> String {
        String(try Command.succeed("sha256sum", file).prefix(64))
    }

    func hash(ofDisk disk: String) throws -> String { try Self.hash(file(disk)) }
}

/// Waits until it is so, for at most so many seconds.
func eventually(
    _ what: String, seconds: Double = 30, _ location: SourceLocation = #_sourceLocation,
    _ isSo: () throws -> Bool
) throws {
    let end = Date() + seconds
    while try !isSo() {
        try #require(Date() < end, "not in \(Int(seconds)) s: \(what)", sourceLocation: location)
        usleep(20_000)
    }
}
