import Foundation
import Testing

extension MountSuite {
    /// What a service manager is told (sd_notify(3)), by a socket of the test's own.
    @Suite struct ServiceTests {
        /// The manager's end.
        private final class Socket {
            let path: String
            private let descriptor: Int32

            init(_ path: String) throws {
                self.path = path
                descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
                var address = sockaddr_un()
                address.sun_family = sa_family_t(AF_UNIX)
                withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
                let error = withUnsafePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    }
                }
                try #require(error == 0)
            }

            deinit { close(descriptor) }

            /// The next message; nil if there is none within that many seconds.
            func next(within seconds: Double) -> String? {
                var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard poll(&ready, 1, Int32(seconds * 1000)) == 1 else { return nil }
                var buffer = [UInt8](repeating: 0, count: 4096)
                let count = recv(descriptor, &buffer, buffer.count, 0)
                return count >= 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
            }
        }

        @Test func theManagerLearnsOfBeginningLifeAndEnd() throws {
            let rig = try Rig()
            // A short name: a socket's has a hundred bytes at most.
            let manager = try Socket("/run/sealdisk-test-\(getpid())")
            defer { unlink(manager.path) }
            let environment = ["NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "1200000"]
            let daemon = try Command.start(
                Rig.program, ["mount", rig.store, rig.mountPoint, "--foreground"],
                environment: rig.environment.merging(environment) { $1 })
            rig.watch(daemon.process.processIdentifier)
            let first = manager.next(within: 30) ?? ""
            #expect(first.hasPrefix("READY=1\nSTATUS=Serving \(rig.store)"), "\(first)")
            #expect(access(rig.mountPoint + "/status.json", F_OK) == 0)
            #expect(manager.next(within: 5) == "WATCHDOG=1")

            // The mount's place does not lead to it any more: nothing answers there.
            try Command.succeed("mount", "-t", "tmpfs", "none", rig.mountPoint)
            while manager.next(within: 0.5) != nil {}
            #expect(manager.next(within: 1.5) == nil)
            try Command.succeed("umount", rig.mountPoint)
            #expect(manager.next(within: 5) == "WATCHDOG=1")

            kill(daemon.process.processIdentifier, SIGTERM)
            var said: [String] = []
            while let text = manager.next(within: 2) { said.append(text) }
            daemon.process.waitUntilExit()
            #expect(said.contains { $0.hasPrefix("STOPPING=1") }, "\(said)")
            #expect(said.contains { $0.hasPrefix("EXTEND_TIMEOUT_USEC=") }, "\(said)")
            #expect(daemon.process.terminationStatus == 0)
        }
    }
}
