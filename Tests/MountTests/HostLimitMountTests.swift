import Foundation
import Testing

extension MountSuite {
    /// A host that gives the daemon little, as distributions do by default.
    @Suite struct HostLimitMountTests {
        private static let disks = 128, sessions = 10

        /// As many chunks as 40 GiB of a large disk are (1280 of 32 MiB), each with a descriptor
        /// and a key in locked memory while it is open; 256 descriptors, 64 KiB of locked memory
        /// and no right to more. A session begins a chunk, so the chunks here are nearly empty.
        @Test func manyChunksWithFewDescriptorsAndLittleLockedMemory() throws {
            let rig = try Rig { store in
                // Flushes cost nothing there, of the store and of the record of key uses.
                let folder = (store as NSString).deletingLastPathComponent
                for place in [store, folder + "/keys"] {
                    try Command.succeed("mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", place)
                }
            }
            try makeSessions(in: rig)
            #expect(try chunkFiles(in: rig.store) >= Self.disks * Self.sessions)
            try rig.mount(
                "attach=all",
                under: [
                    "prlimit", "--nofile=256", "--memlock=65536", "setpriv", "--bounding-set",
                    "-ipc_lock,-sys_resource", "--inh-caps", "-ipc_lock,-sys_resource",
                ])
            try expectLimits(of: rig.daemon())
            for session in 0..<Self.sessions {
                for disk in 0..<Self.disks {
                    let file = try OpenedFile(rig.file("d\(disk)"), O_RDWR)
                    let found = try file.read(at: session * 4096, count: 4096)
                    #expect(found == block(disk, session), "disk \(disk), block \(session)")
                    // Chunks that are written stay open: 32 disks have two each.
                    if session == 0, disk.isMultiple(of: 4) {
                        try file.write(block(disk, session + 1), at: session * 4096)
                        try file.synchronize()
                    }
                }
            }
            for disk in stride(from: 0, to: Self.disks, by: 4) {
                let file = try OpenedFile(rig.file("d\(disk)"), O_RDONLY)
                #expect(try file.read(at: 0, count: 4096) == block(disk, 1), "disk \(disk)")
            }
            try rig.unmount()
        }

        /// Each session writes a block of each disk, into a chunk of its own.
        private func makeSessions(in rig: Rig) throws {
            try rig.mount()
            for disk in 0..<Self.disks {
                try rig.request("CreateDisk DiskName=d\(disk) Size=1MiB Encrypted=true")
            }
            try rig.unmount()
            for session in 0..<Self.sessions {
                try rig.mount("attach=all")
                for disk in 0..<Self.disks {
                    let file = try OpenedFile(rig.file("d\(disk)"), O_RDWR)
                    try file.write(block(disk, session), at: session * 4096)
                }
                try rig.unmount()
            }
        }

        private func block(_ disk: Int, _ session: Int) -> [UInt8] {
            [UInt8](repeating: UInt8(truncatingIfNeeded: disk &* 37 &+ session &+ 1), count: 4096)
        }

        private func chunkFiles(in store: String) throws -> Int {
            let files = try #require(FileManager.default.enumerator(atPath: store))
            return files.count { ($0 as? String)?.hasSuffix(".chunk") == true }
        }

        /// The daemon lives under the limits that this test is about.
        private func expectLimits(of daemon: pid_t) throws {
            let limits = try String(contentsOfFile: "/proc/\(daemon)/limits", encoding: .utf8)
            let lines = limits.split(separator: "\n")
            for (name, value) in [("Max open files", "256"), ("Max locked memory", "65536")] {
                let line = try #require(lines.first { $0.hasPrefix(name) })
                let words = line.dropFirst(name.count).split(separator: " ")
                #expect(words.first.map(String.init) == value, "\(line)")
            }
            let status = try String(contentsOfFile: "/proc/\(daemon)/status", encoding: .utf8)
            let line = try #require(
                status.split(separator: "\n").first { $0.hasPrefix("CapEff:") })
            let word = try #require(line.split(whereSeparator: \.isWhitespace).last)
            let capabilities = try #require(UInt64(word, radix: 16))
            #expect(capabilities & 1 << 14 == 0, "it may lock what it likes")
        }
    }
}
