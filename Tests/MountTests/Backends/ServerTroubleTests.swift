import Foundation
import ServerFixtures
import Synchronization
import Testing

extension MountSuite {
    /// What stands between a host and its bucket breaks, or the server does: users wait, or are
    /// told the truth.
    ///
    /// SEALDISK_SERVER_TROUBLE is for how many seconds the load runs, then in both durabilities.
    @Suite struct ServerTroubleTests {
        private static let asked =
            ProcessInfo.processInfo.environment["SEALDISK_SERVER_TROUBLE"].flatMap(Int.init)
        private static let seconds = asked ?? 3

        /// One in five requests comes to nothing, or worse.
        @Test(arguments: asked == nil ? ["store"] : ["host", "store"])
        func noDataErrorUnderFaults(durability: String) throws {
            let server = try SeaweedFS.shared.get()
            let proxy = try FaultProxy(to: server.port)
            let store = BucketStore(
                server, "lease=10&lag=1&cache_size=64M&durability=\(durability)", through: proxy)
            let host = try store.firstHost()
            try host.mount()
            try host.attachDisk("data", mebibytes: 64)
            proxy.on { request in
                switch UInt32.random(in: 0..<50) {
                case 0...2: .answer("503 Slow Down")
                case 3...4: .resetBefore
                case 5...6: .resetAfter
                // Of a server of which a part works: what it says so to may be done.
                case 7: .answer("500 Internal Server Error")
                case 8: request.method == "GET" ? .cutBody : .forward
                case 9: .delay(0.3)
                default: .forward
                }
            }
            let fio = try Command.run(
                "fio",
                [
                    "--name=load", "--filename=\(host.file("data"))", "--size=48M", "--rw=randrw",
                    "--bsrange=4k-64k", "--ioengine=psync", "--verify=crc32c",
                    "--verify_backlog=64", "--time_based", "--runtime=\(Self.seconds)",
                    "--fsync=16", "--verify_state_save=0",
                ])
            #expect(fio.status == 0 && fio.output.contains("err= 0"), "\(fio)")
            let before = try host.hash(ofDisk: "data")
            let failures = try #require(
                (try host.backend()["requests"] as? [String: Any])?["failures"] as? Int)
            #expect(failures > 0)
            try host.unmount()
            // Nothing of the cache: all is read from the bucket, with the same trouble.
            try FileManager.default.removeItem(atPath: host.folder + "/cache")
            try eventually("it is mounted") {
                do {
                    try host.mount("attach=data")
                    return true
                } catch let failure as Command.Failure {
                    // Who mounts may be told of a server that does not answer.
                    #expect(failure.description.contains("ended with 8"), "\(failure)")
                    return false
                }
            }
            #expect(try host.hash(ofDisk: "data") == before)
            try host.unmount()
            proxy.on { _ in .forward }
            try host.succeed("check", host.store)
        }

        /// SIGKILL in the middle of an upload, and the same server again.
        @Test func aServerThatDiesAndComesBack() throws {
            let server = try SeaweedFS()
            let host = try BucketStore(server, "lease=3&lag=1").firstHost()
            try host.mount()
            try host.attachDisk("data", mebibytes: 128)
            try host.withDisk("data") { try write($0, of: host, to: server) }
            try eventually("all is uploaded", seconds: 60) { try host.waitingBytes() == 0 }
            #expect(try host.backend()["failure"] == nil)
            let before = try host.hash(ofDisk: "data")
            try unmountAndLoseCache(host)
            try host.mount("attach=data")
            #expect(try host.hash(ofDisk: "data") == before)
            try host.unmount()
            try host.succeed("check", host.store)
        }

        private func write(
            _ file: OpenedFile, of host: Rig, to server: SeaweedFS
        ) throws {
            let bytes = (0..<(4 << 20)).map { _ in UInt8.random(in: 0...255) }
            for part in 0..<8 { try file.write(bytes, at: part * bytes.count) }
            try file.synchronize()
            try eventually("it uploads") { try host.waitingBytes() > 1 << 20 }
            try server.process.kill()
            // Reads of what is here go on. Who needs a new chunk waits, and so does a flush when
            // the lease is over.
            #expect(try file.read(at: 0, count: bytes.count) == bytes)
            let process = server.process
            Thread.detachNewThread {
                sleep(1)
                do { try process.start() } catch { Issue.record(error) }
            }
            for part in 8..<12 { try file.write(bytes, at: part * bytes.count) }
            try file.synchronize()
        }

        private func unmountAndLoseCache(_ host: Rig) throws {
            try eventually("it is unmounted") {
                try host.sealdisk("unmount", host.mountPoint).status == 0
            }
            try FileManager.default.removeItem(atPath: host.folder + "/cache")
        }

        /// The bucket takes no more: writers wait or get ENOSPC, readers read; with room again all
        /// goes on.
        @Test func aFullBucket() throws {
            let server = try SeaweedFS.shared.get()
            let proxy = try FaultProxy(to: server.port)
            let host = try BucketStore(
                server, "lease=30&lag=1&cache_size=64M", through: proxy
            ).firstHost()
            try host.mount()
            try host.attachDisk("data", mebibytes: 256)
            let file = try OpenedFile(host.file("data"), O_RDWR)
            let bytes = (0..<(4 << 20)).map { _ in UInt8.random(in: 0...255) }
            try file.write(bytes, at: 0)
            try file.synchronize()
            proxy.on { request in
                guard request.method == "PUT", request.body.count > 4096 else { return .forward }
                return .answer(
                    "403 Forbidden",
                    body: "<Error><Code>QuotaExceeded</Code><Message>no room</Message></Error>")
            }
            var refused: Int32 = 0
            for part in 1..<60 {
                do {
                    try file.write(bytes, at: part * bytes.count)
                    try file.synchronize()
                } catch let failure as OpenedFile.Failure {
                    refused = failure.errno
                    break
                }
            }
            #expect(refused == ENOSPC, "\(refused)")
            #expect(try file.read(at: 0, count: bytes.count) == bytes)
            try eventually("it says why") {
                (try host.backend()["failure"] as? String)?.contains("no room") == true
            }
            proxy.on { _ in .forward }
            try eventually("all is uploaded") { try host.waitingBytes() == 0 }
            try eventually("there is room") {
                (try? file.write(bytes, at: 200 << 20)) == bytes.count
                    && (try? file.synchronize()) != nil
            }
            #expect(try host.backend()["failure"] == nil)
        }

        /// Keys that expire are replaced in their file; nobody notices.
        @Test func credentialsThatAreReplaced() throws {
            let server = try SeaweedFS.shared.get()
            let proxy = try FaultProxy(to: server.port)
            let folder = NSTemporaryDirectory() + "/credentials-\(UUID())"
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: false)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let file = folder + "/file"
            func write(_ key: String) throws {
                let text = """
                    [default]
                    aws_access_key_id = \(key)
                    aws_secret_access_key = \(server.secretKey)

                    """
                try Data(text.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
                chmod(file, 0o600)
            }
            try write(server.accessKey)
            let host = try BucketStore(
                server, "lag=1&durability=store&credentials=\(file)", through: proxy
            ).firstHost()
            try host.mount()
            try host.attachDisk("data", mebibytes: 64)
            let load = SequencedLoad(blocks: 100, isFlushed: true)
            let writer = load.start(on: try OpenedFile(host.file("data"), O_RDWR))
            try load.waitFor(20, by: writer)
            try write(SeaweedFS.secondKey)
            let old = server.accessKey
            let refused = Atomic(0)
            proxy.on { request in
                guard request.headers["authorization"]?.contains(old) == true else {
                    return .forward
                }
                refused.add(1, ordering: .relaxed)
                return .answer(
                    "400 Bad Request",
                    body: "<Error><Code>ExpiredToken</Code><Message>old</Message></Error>")
            }
            try load.waitFor(load.acknowledged + 50, by: writer)
            load.stop()
            writer.join()
            #expect(refused.load(ordering: .relaxed) > 0)
            try load.check(OpenedFile(host.file("data"), O_RDONLY), atLeast: load.acknowledged)
        }
    }
}
