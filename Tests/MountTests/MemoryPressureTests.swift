import Foundation
import Testing

extension MountSuite {
    /// Control groups that are short of memory: of who writes, or of the daemon, never of both
    /// together. What is in the page cache of a disk's users can only be written by the daemon.
    @Suite struct MemoryPressureTests {
        /// Four times as much is written as the group has memory for; the daemon may have plenty,
        /// or little of its own.
        @Test(arguments: [1024, 192])
        func aFileSystemIsWrittenByWhoHasLittleMemory(mebibytesOfDaemon: Int) throws {
            let group = try MemoryGroup(mebibytes: 64)
            defer { group.remove() }
            let daemons = try MemoryGroup(mebibytes: mebibytesOfDaemon)
            defer { daemons.remove() }
            let rig = try Rig()
            let disk = try LoopedFileSystem(on: rig, mebibytes: 400, under: daemons.wrapper)
            let daemon = try rig.daemon()
            let fio = [
                "fio", "--name=data", "--directory=\(disk.files)", "--numjobs=2", "--size=128M",
                "--bs=64k", "--rw=randwrite", "--ioengine=psync", "--thread", "--verify=crc32c",
                "--verify_state_save=0", "--output-format=terse",
            ]
            try group.run(fio + ["--do_verify=0", "--end_fsync=1"])
            try disk.remount()
            try group.run(fio + ["--verify_only"])
            #expect(try group.wasFull, "there was memory enough")
            #expect(try group.kills == 0)
            #expect(try rig.daemon() == daemon)
            try disk.end()
        }

        /// It writes and keeps what it wrote, until it is killed with dirty pages.
        @Test func aWriterThatIsKilledForItsMemoryHarmsNothing() throws {
            let group = try MemoryGroup(mebibytes: 30)
            defer { group.remove() }
            let rig = try Rig()
            let disk = try LoopedFileSystem(on: rig, mebibytes: 256)
            let daemon = try rig.daemon()
            let writer = """
                import os, sys
                file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
                kept = []
                while len(kept) < 200:
                    kept.append(os.urandom(1 << 20))
                    os.write(file, kept[-1])
                """
            let written = try group.tryToRun(["python3", "-c", writer, disk.files + "/killed"])
            #expect(written.status == SIGKILL || written.status == 128 + SIGKILL, "\(written)")
            #expect(try group.kills > 0)
            #expect(try rig.daemon() == daemon)
            try Command.succeed(
                "timeout", "-k", "5", "30", "dd", "if=/dev/zero", "of=\(disk.files)/more", "bs=1M",
                "count=20", "conv=fsync", "status=none")
            try disk.end()
        }

        /// Every write dirties a page of the map, which the daemon may keep in memory that it does
        /// not have.
        @Test func aDaemonThatIsKilledForItsMemoryLosesNothing() throws {
            let group = try MemoryGroup(mebibytes: 96)
            defer { group.remove() }
            let rig = try Rig()
            try rig.mount("map_memory=4G", under: group.wrapper)
            try rig.attachDisk("data", mebibytes: 100 << 10)
            let daemon = try rig.daemon()
            let (block, distance) = (4096, 2 << 20)
            var acknowledged = 0
            do {
                let file = try OpenedFile(rig.file("data"), O_RDWR)
                while acknowledged < 50 << 10 {
                    let bytes = Self.content(of: acknowledged, size: block)
                    guard try file.write(bytes, at: acknowledged * distance) == block else { break }
                    acknowledged += 1
                }
                Issue.record("the daemon lives after \(acknowledged) writes")
            } catch is OpenedFile.Failure {}
            try rig.checkKilled(daemon, "after \(acknowledged) writes")
            #expect(try group.kills > 0)
            try rig.takeAway()

            try rig.mount("attach=data")
            do {
                let file = try OpenedFile(rig.file("data"), O_RDONLY)
                for number in 0..<acknowledged {
                    let bytes = try file.read(at: number * distance, count: block)
                    try #require(
                        bytes == Self.content(of: number, size: block),
                        "write \(number) of \(acknowledged)")
                }
            }
            try rig.unmount()
        }

        private static func content(of number: Int, size: Int) -> [UInt8] {
            let words = [UInt64](repeating: UInt64(number) + 1, count: size / 8)
            return words.withUnsafeBytes { Array($0) }
        }
    }
}

extension MemoryGroup {
    /// Runs a command as a member, whatever comes of it; it has a minute.
    fileprivate func tryToRun(_ command: [String]) throws -> Command.Outcome {
        let words = wrapper + ["timeout", "-k", "5", "60"] + command
        return try Command.run(words[0], Array(words.dropFirst()))
    }

    fileprivate func run(_ command: [String]) throws {
        let outcome = try tryToRun(command)
        guard outcome.status == 0 else { throw Command.Failure(description: "\(outcome)") }
    }
}

/// A mount with ext4 on a loop device over an encrypted disk.
private final class LoopedFileSystem {
    let files: String
    private let rig: Rig
    private let loop: String

    init(on rig: Rig, mebibytes: Int, under wrapper: [String] = []) throws {
        self.rig = rig
        try rig.mount(under: wrapper)
        try rig.attachDisk("data", mebibytes: mebibytes)
        loop = try rig.loop("data")
        try Command.succeed("mkfs.ext4", "-q", loop)
        files = try rig.makeFolder("files")
        try Command.succeed("mount", loop, files)
    }

    /// Nothing of it stays in the page cache.
    func remount() throws {
        try checkUnmounted()
        try Command.succeed("mount", loop, files)
    }

    /// Everything is taken away in order, and found clean.
    func end() throws {
        try checkUnmounted()
        try Command.succeed("losetup", "-d", loop)
        try rig.unmount()
    }

    private func checkUnmounted() throws {
        try Command.succeed("timeout", "-k", "5", "60", "umount", files)
        try Command.succeed("e2fsck", "-fn", loop)
    }
}
