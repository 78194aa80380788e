import Foundation
import HostPrograms
import Synchronization
import Testing

extension MountSuite {
    /// SIGKILL at random moments: afterwards the mount must fail at once, never hang.
    ///
    /// SEALDISK_KILLS is how many times, SEALDISK_KILL_SEED where the moments come from.
    @Suite struct KillTests {
        private static let environment = ProcessInfo.processInfo.environment
        private static let kills = environment["SEALDISK_KILLS"].flatMap(Int.init) ?? 200
        private static let seed =
            environment["SEALDISK_KILL_SEED"].flatMap(UInt64.init) ?? .random(in: 0...UInt64.max)

        @Test func aMountKilledAtItsStartFailsAtOnce() throws {
            var random = SeededRandom(seed: Self.seed)
            print("SEALDISK_KILL_SEED=\(Self.seed)")
            let rig = try Rig()
            for round in 0..<(Self.kills / 2) {
                let moment = UInt32.random(in: 0..<60_000, using: &random)
                let started = try Command.start(
                    Rig.program, ["mount", rig.store, rig.mountPoint, "--foreground"],
                    environment: rig.environment)
                // The mount is what is interesting: from the moment the kernel lists it.
                if round.isMultiple(of: 2) { try rig.waitUntilListed(or: started.process) }
                usleep(round.isMultiple(of: 2) ? moment / 6 : moment)
                let daemon = started.process.processIdentifier
                kill(daemon, SIGKILL)
                try rig.checkKilled(daemon, "seed \(Self.seed), round \(round)")
                started.process.waitUntilExit()
                try rig.takeAway()
            }
            try rig.mount()
            try rig.unmount()
        }

        /// Killed among writes and dirty mappings, while a snapshot has the kernel write them out;
        /// and while disks come, are renamed and go, so that the kernel is told to drop what others
        /// look up.
        @Test(arguments: [[writes, mappings, snapshots], [disks, lookups, mappings]])
        func aMountKilledUnderLoadFailsAtOnce(loads: [String]) throws {
            var random = SeededRandom(seed: Self.seed ^ 1)
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.unmount()
            for round in 0..<(Self.kills / 4) {
                try rig.mount("attach=data")
                let daemon = try rig.daemon()
                let started = try loads.map {
                    try Command.start("sh", ["-c", $0, "sh", rig.mountPoint]).process
                }
                let loaders = started.map(\.processIdentifier)
                let guardian = Guardian(seconds: 60, over: "round \(round), the load") {
                    for loader in loaders { kill(loader, SIGKILL) }
                }
                defer { guardian.stop() }
                usleep(UInt32.random(in: 20_000..<200_000, using: &random))
                kill(daemon, SIGKILL)
                try rig.checkKilled(daemon, "seed \(Self.seed), round \(round)")
                for load in started { load.waitUntilExit() }
                try rig.takeAway()
            }
            try rig.mount("attach=data")
            try rig.unmount()
        }

        /// Buffered writes with a handle open, until one fails. Nothing is created: where the mount
        /// was taken away there is only an empty folder.
        private static let writes = """
            exec 2>/dev/null
            exec 3<"$1/disks/data" || exit
            while dd if=/dev/urandom of="$1/disks/data" bs=64k count=8 conv=notrunc,nocreat
            do :; done
            """
        private static let snapshots = """
            exec 2>/dev/null
            n=0
            while echo "CreateSnapshot DiskId=data SnapshotName=s$$-$n" |
                dd of="$1/control" bs=64k conv=notrunc,nocreat
            do n=$((n + 1)); done
            """
        /// A mapping that is dirtied until the mount's end is seen: pages that are there take
        /// writes for ever.
        private static let mappings = """
            exec 2>/dev/null
            exec python3 -c '
            import mmap, os, random, sys
            file = os.open(sys.argv[1] + "/disks/data", os.O_RDWR)
            pages = mmap.mmap(file, 16 << 20)
            while True:
                for _ in range(100): pages[random.randrange(16 << 20)] = random.randrange(256)
                os.stat(sys.argv[1] + "/status.json")
            ' "$1"
            """
        private static let disks = """
            exec 2>/dev/null
            ask() { echo "$*" | dd of="$control" bs=64k conv=notrunc,nocreat; }
            control="$1/control"
            n=0
            while ask CreateDisk DiskName=a$$-$n Size=1MiB && ask AttachDisk DiskId=a$$-$n &&
                ask ModifyDiskAttribute DiskId=a$$-$n DiskName=b$$-$n &&
                ask DetachDisk DiskId=b$$-$n && ask DeleteDisk DiskId=b$$-$n
            do n=$((n + 1)); done
            """
        private static let lookups = """
            exec 2>/dev/null
            while test -e "$1/control"
            do cat "$1"/disks/a* "$1"/disks/b*; done >/dev/null
            """
    }
}

extension Rig {
    /// Whether the kernel lists the mount. Asks nothing of the mount itself.
    var isListed: Bool {
        let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        return mounts.contains(" \(mountPoint) ")
    }

    fileprivate func waitUntilListed(or process: Program) throws {
        while !isListed {
            try #require(process.isRunning, "it did not mount")
            usleep(200)
        }
    }

    /// After its daemon was killed: every access fails by itself, as of a mount without a server.
    func checkKilled(_ daemon: pid_t, _ when: String) throws {
        // Its first thread is gone before the last one has let go of everything.
        let status = "/proc/\(daemon)/stat"
        while let text = try? String(contentsOfFile: status, encoding: .utf8),
            !text.contains(") Z ")
        { usleep(1000) }
        let wasListed = isListed
        // What is under way as the connection ends gets ECONNABORTED or EIO; afterwards all is
        // ENOTCONN.
        _ = try look(when)
        var tried = try look(when)
        guard wasListed else { return }
        for _ in 0..<50 where tried.errors.contains("Software caused connection abort") {
            usleep(100_000)
            tried = try look(when)
        }
        #expect(tried.errors.contains("Transport endpoint is not connected"), "\(when): \(tried)")
    }

    private func look(_ when: String) throws -> Command.Outcome {
        let tried = try Command.run(
            "timeout", ["-k", "5", "10", "ls", mountPoint + "/disks"], environment: ["LC_ALL": "C"])
        guard tried.status != 124, tried.status != 137 else {
            Guardian.abort(mountPoint)
            throw Command.Failure(description: "\(when): the mount hangs")
        }
        return tried
    }

    /// Takes the dead mount away, as anybody would. Who was in it may be on his way out.
    func takeAway() throws {
        var attempt = 0
        while isListed {
            let outcome = try Command.run("timeout", ["-k", "5", "10", "umount", mountPoint])
            if outcome.status == 0 { return }
            attempt += 1
            guard attempt < 100 else { throw Command.Failure(description: "\(outcome)") }
            usleep(50_000)
        }
    }
}
