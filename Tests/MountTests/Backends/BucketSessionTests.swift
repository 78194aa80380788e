import Foundation
import ServerFixtures
import Testing

extension MountSuite {
    /// A store in a bucket of a real server.
    @Suite struct BucketSessionTests {
        private let server: SeaweedFS

        init() throws { server = try SeaweedFS.shared.get() }

        /// With Ceph's server the tags of objects are written otherwise.
        @Test func aSessionOnTwoHostsByCephsServer() throws {
            let store = BucketStore(try Gateway.shared.get())
            let first = try store.firstHost()
            try StoreSession(first: first, other: try store.host(2, keysOf: first)).run()
        }

        @Test func aSessionOnTwoHostsAndCopies() throws {
            let store = BucketStore(server)
            let first = try store.firstHost()
            let session = StoreSession(first: first, other: try store.host(2, keysOf: first))
            try session.run()
            let folder = try StoreInFolder().host(1, keysOf: first)
            let bucket = try BucketStore(server).host(1, keysOf: first)
            try session.copy(to: [folder, bucket])
            try bucket.succeed("check", bucket.store)
        }

        /// As mount(8) calls it for a line of fstab(5) at boot: with nothing but the line.
        @Test func aLineOfFstabIsEnough() throws {
            let folder = Rig.newFolder()
            let keys = server.environment
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            let credentials = "\(folder)/credentials"
            try """
            [default]
            aws_access_key_id = \(try #require(keys["AWS_ACCESS_KEY_ID"]))
            aws_secret_access_key = \(try #require(keys["AWS_SECRET_ACCESS_KEY"]))
            """.write(toFile: credentials, atomically: true, encoding: .utf8)
            chmod(credentials, 0o600)
            let host = try BucketStore(server, "lease=3&credentials=\(credentials)").firstHost()
            try host.mount()
            try host.attachDisk("data", mebibytes: 16)
            try host.withDisk("data") { _ = try $0.write([4, 5, 6], at: 0) }
            try host.unmount()
            let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            let path = (Rig.program as NSString).deletingLastPathComponent
            try Command.succeed(
                "env", "-i", "PATH=\(path):/usr/sbin:/usr/bin:/sbin:/bin",
                "SEALDISK_KEYSTORE=\(host.keystore)", "sh",
                root.appendingPathComponent("Mount/mount.sealdisk").path, host.store,
                host.mountPoint, "-n", "-o", "rw,_netdev,nofail,attach=data,anchor=none")
            #expect(
                try OpenedFile(host.file("data"), O_RDONLY).read(at: 0, count: 3) == [4, 5, 6])
            try host.unmount()
            try FileManager.default.removeItem(atPath: folder)
        }

        @Test func theStatusTellsWhatTheServerHas() throws {
            let store = BucketStore(server, "lag=2&cache_size=1G")
            let host = try store.firstHost()
            try host.mount()
            try host.attachDisk("data", mebibytes: 64)
            let bytes = (0..<(8 << 20)).map { _ in UInt8.random(in: 0...255) }
            try host.withDisk("data") { file in
                try file.write(bytes, at: 0)
                try file.synchronize()
            }
            try eventually("all is uploaded", seconds: 10) { try host.waitingBytes() == 0 }
            let backend = try host.backend()
            #expect(backend["durability"] as? String == "host")
            #expect(backend["lagLimitSeconds"] as? Double == 2)
            #expect(backend["lagSeconds"] as? Double == 0)
            #expect(backend["failure"] == nil)
            #expect(backend["cacheLimitBytes"] as? Int == 1 << 30)
            let requests = try #require(backend["requests"] as? [String: Any])
            #expect(try #require(requests["bytesSent"] as? Int) > bytes.count)
            #expect(try #require(requests["puts"] as? Int) > 2)
            #expect(requests["failures"] as? Int == 0)
            #expect(try #require(backend["cachedBytes"] as? Int) > bytes.count)
            try compareMetrics(of: host)
            try host.unmount()
        }

        /// Each metric of a store elsewhere is in the table, and no other is.
        private func compareMetrics(of host: Rig) throws {
            let page = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
                .deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("Sources/sealdisk/Documentation.docc/Observability.md")
            let told = try String(contentsOf: page, encoding: .utf8)
                .matches(of: #/(?m)^\| `(sealdisk_backend_\w+)` \| (\w+) \|/#)
                .map { "\($0.1) \($0.2)" }
            let real = try String(contentsOfFile: host.mountPoint + "/metrics", encoding: .utf8)
                .matches(of: #/(?m)^# TYPE (sealdisk_backend_\w+) (\w+)$/#)
                .map { "\($0.1) \($0.2)" }
            #expect(told.count > 5 && Set(told) == Set(real))
        }

        /// It is a cache: what was unmounted in order is in the bucket.
        @Test func aLostCacheIsReadAnew() throws {
            let host = try BucketStore(server).firstHost()
            try host.mount()
            try host.attachDisk("data", mebibytes: 64)
            let bytes = (0..<(8 << 20)).map { _ in UInt8.random(in: 0...255) }
            try host.withDisk("data") { _ = try $0.write(bytes, at: 12_345) }
            let before = try host.hash(ofDisk: "data")
            try host.unmount()
            try FileManager.default.removeItem(atPath: host.folder + "/cache")
            try host.mount("attach=data")
            #expect(try host.hash(ofDisk: "data") == before)
            let requests = try host.backend()["requests"] as? [String: Any]
            #expect(try #require(requests?["bytesReceived"] as? Int) > bytes.count)
            // And it can be written to as before.
            try host.withDisk("data") { _ = try $0.write([~bytes[0]], at: 12_345) }
            let after = try host.hash(ofDisk: "data")
            #expect(after != before)
            try host.unmount()
            try host.mount("attach=data")
            #expect(try host.hash(ofDisk: "data") == after)
            try host.unmount()
        }

        /// rclone answers 200 to a PUT on a condition, and overwrites.
        @Test func aServerWithoutConditionsIsRefused() throws {
            let server = try RcloneS3()
            let folder = Rig.newFolder()
            let rig = try Rig(
                in: folder,
                store: "s3://\(server.bucket)/store?endpoint=\(server.endpoint)"
                    + "&cache=\(folder)/cache", environment: server.environment)
            let outcome = try rig.sealdisk("init", rig.store)
            #expect(outcome.status == 8, "\(outcome)")
            #expect(outcome.errors.contains("does not heed the conditions of a PUT"), "\(outcome)")
            let left = try FileManager.default.subpathsOfDirectory(
                atPath: server.process.folder + "/data/disks")
            #expect(left.isEmpty, "\(left)")
        }
    }
}
