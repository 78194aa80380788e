import Foundation
import HostPrograms

/// radosgw: Ceph's own S3 server, over the cluster. To a condition it takes tags without quotes
/// alone.
public final class Gateway: S3Server {
    public let port: UInt16
    public let process: ServerProcess
    /// By a name under which each bucket has a name of its own.
    public var namedEndpoint: String { "http://\(Self.domain):\(port)" }
    private static let domain = "localhost"

    /// One for all tests that do not harm it.
    public static let shared = Result { try Gateway(CephCluster.shared.get()) }

    public init(_ cluster: CephCluster) throws {
        let port = try Loopback.freePorts(1)[0]
        self.port = port
        process = try ServerProcess("radosgw", binary: "/usr/bin/radosgw") { folder in
            let file = folder + "/ceph.conf"
            let settings = """

                [client.rgw]
                rgw data = \(folder)
                rgw frontends = beast endpoint=127.0.0.1:\(port) tcp_nodelay=1
                rgw thread pool size = 16
                rgw enable usage log = false
                rgw dns name = \(Self.domain)
                rgw s3 auth use sts = true
                rgw sts key = sixteen.letters.

                """
            let text = try String(contentsOfFile: cluster.configuration, encoding: .utf8)
            try Data((text + settings).utf8).write(to: URL(fileURLWithPath: file))
            return ["-f", "-n", "client.rgw", "-c", file]
        }
        try process.wait(60) { (try? curl("\(endpoint)/")) != 0 }
        try makeUser()
        // It signs this header, and curl sends it only when told to.
        try process.wait {
            let header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"
            return [200, 409].contains(
                try? curl("-X", "PUT", "-H", header, "\(endpoint)/\(bucket)"))
        }
    }

    private func makeUser() throws {
        try Program.succeed(
            "timeout",
            [
                "60", "radosgw-admin", "-c", process.folder + "/ceph.conf", "-n", "client.rgw",
                "user", "create", "--uid=test", "--display-name=test", "--access-key=\(accessKey)",
                "--secret=\(secretKey)", "--caps=user-policy=*",
            ])
    }

    /// Credentials for a while, as its security token service gives them out.
    public func sessionEnvironment() throws -> [String: String] {
        let policy =
            #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","#
            + #""Action":["sts:*","s3:*"],"Resource":["arn:aws:s3:::*"]}]}"#
        _ = try ask(
            ["Action=PutUserPolicy", "PolicyName=all", "UserName=test", "PolicyDocument=\(policy)"]
                .flatMap { ["--data-urlencode", $0] } + [endpoint], service: "iam")
        let answer = try ask(
            ["-d", "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=900", endpoint],
            service: "sts")
        func field(_ name: String) throws -> String {
            guard let start = answer.range(of: "<\(name)>"),
                let end = answer.range(of: "</\(name)>")
            else { throw FixtureError("no token of radosgw: \(answer)") }
            return String(answer[start.upperBound..<end.lowerBound])
        }
        return [
            "AWS_ACCESS_KEY_ID": try field("AccessKeyId"),
            "AWS_SECRET_ACCESS_KEY": try field("SecretAccessKey"),
            "AWS_SESSION_TOKEN": try field("SessionToken"),
        ]
    }
}
