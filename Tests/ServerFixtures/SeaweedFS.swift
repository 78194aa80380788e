import Foundation
import HostPrograms

/// SeaweedFS as one process, which heeds the conditions of a PUT. Takes about three seconds.
public final class SeaweedFS: S3Server {
    public let port: UInt16
    public let process: ServerProcess
    /// The same by TLS.
    public let tlsEndpoint: String
    /// A file of the certificate that vouches for that.
    public let certificates: String

    /// Another access key, with the same secret.
    public static let secondKey = "AKIDRENEWED"

    /// One for all tests that do not harm it.
    public static let shared = Result { try SeaweedFS() }

    public init() throws {
        // Each of its four parts has a second port.
        let ports = try Loopback.freePorts(9)
        port = ports[0]
        tlsEndpoint = "https://127.0.0.1:\(ports[8])"
        let binary = ProcessInfo.processInfo.environment["SEALDISK_WEED"] ?? "/usr/bin/weed"
        let keys = ["AKIDOFTESTS", Self.secondKey]
            .map { #"{"accessKey":"\#($0)","secretKey":"secret/of+tests"}"# }.joined(separator: ",")
        let actions = #"["Admin","Read","Write","List","Tagging"]"#
        process = try ServerProcess("weed", binary: binary) { folder in
            let file = folder + "/s3.json"
            try Data(
                #"{"identities":[{"name":"t","credentials":[\#(keys)],"actions":\#(actions)}]}"#
                    .utf8
            ).write(to: URL(fileURLWithPath: file))
            try Self.makeCertificate(in: folder)
            var arguments = [
                "server", "-s3.port.https=\(ports[8])", "-s3.cert.file=\(folder)/cert.pem",
                "-s3.key.file=\(folder)/key.pem", "-dir=\(folder)", "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1", "-s3",
                "-s3.config=\(file)", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
                "-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=40",
                "-s3.localSocket=\(folder)/s3.sock", "-filer.localSocket=\(folder)/filer.sock",
            ]
            let names = ["s3", "master", "volume", "filer"]
            for (index, name) in names.enumerated() {
                arguments.append("-\(name).port=\(ports[index])")
                arguments.append("-\(name).port.grpc=\(ports[index + 4])")
            }
            return arguments
        }
        certificates = process.folder + "/cert.pem"
        // An answer that came too late made it, too.
        try process.wait {
            [200, 409].contains(try? curl("-X", "PUT", "\(endpoint)/\(bucket)"))
        }
        // The first object waits for a volume to be made.
        let file = process.folder + "/s3.json"
        try process.wait { (try? curl("-T", file, "\(endpoint)/\(bucket)/warm")) == 200 }
    }

    private static func makeCertificate(in folder: String) throws {
        try Program.succeed(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem", "-days", "2",
                "-subj", "/CN=tests", "-addext", "subjectAltName=IP:127.0.0.1",
            ])
    }
}

/// rclone as an S3 server over a folder: it answers 200 to a PUT on a condition, and overwrites.
public final class RcloneS3: S3Server {
    public let port: UInt16
    public let process: ServerProcess

    public init() throws {
        let port = try Loopback.freePorts(1)[0]
        self.port = port
        let binary = ProcessInfo.processInfo.environment["SEALDISK_RCLONE"] ?? "/usr/bin/rclone"
        process = try ServerProcess("rclone", binary: binary) { folder in
            try FileManager.default.createDirectory(
                atPath: folder + "/data/disks", withIntermediateDirectories: true)
            return [
                "serve", "s3", "--addr", "127.0.0.1:\(port)", "--auth-key",
                "AKIDOFTESTS,secret/of+tests", "--vfs-cache-mode", "off", "--config",
                folder + "/rclone.conf", folder + "/data",
            ]
        }
        try process.wait { (try? curl("\(endpoint)/\(bucket)")) == 200 }
    }
}
