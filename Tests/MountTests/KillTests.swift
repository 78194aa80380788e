import Foundation
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
            for round in 0..<(Self.kills * 3 / 4) {
                let moment = UInt32.random(in: 0..<60_000, using: &random)
                let started = try Command.start(
                    Rig.program, ["mount", rig.store, rig.mountPoint, "--foreground"],
                    environment: rig.environment)
                // The mount is what is interesting: from the moment the kernel lists it.
                if round.isMultiple(of: 2) { try rig.waitUntilListed(or: started.process) }
                usleep(round.isMultiple(of: 2) ? moment / 6 : moment)
                kill(started.process.processIdentifier, SIGKILL)
                try rig.checkKilled("seed \(Self.seed), round \(round)")
                started.process.waitUntilExit()
            }
            try rig.mount()
            try rig.unmount()
        }

        /// Killed among writes, and while a snapshot has the kernel write out what is dirty.
        @Test func aMountKilledDuringSnapshotsFailsAtOnce() throws {
            var random = SeededRandom(seed: Self.seed ^ 1)
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.unmount()
            for round in 0..<(Self.kills / 4) {
                try rig.mount("attach=data")
                let daemon = try rig.daemon()
                let loads = try [Self.writes, Self.snapshots].map {
                    try Command.start("sh", ["-c", $0, "sh", rig.mountPoint]).process
                }
                let loaders = loads.map(\.processIdentifier)
                let guardian = Guardian(seconds: 60, over: "round \(round), the load") {
                    for loader in loaders { kill(loader, SIGKILL) }
                }
                defer { guardian.stop() }
                usleep(UInt32.random(in: 20_000..<200_000, using: &random))
                kill(daemon, SIGKILL)
                try rig.checkKilled("seed \(Self.seed), round \(round)")
                for load in loads { load.waitUntilExit() }
            }
            try rig.mount("attach=data")
            try rig.unmount()
        }

        /// Buffered writes with a handle open, until one fails. Nothing is created: where the mount
        /// was taken away there is only an empty folder. No jobs and no `wait`: what a test starts
        /// may have SIGCHLD blocked.
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
    }
}

extension Rig {
    /// Whether the kernel lists the mount. Asks nothing of the mount itself.
    var isListed: Bool {
        let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        return mounts.contains(" \(mountPoint) ")
    }

    fileprivate func waitUntilListed(or process: Process) throws {
        while !isListed {
            try #require(process.isRunning, "it did not mount")
            usleep(200)
        }
    }

    /// After its daemon was killed: every access fails by itself, and the mount can be taken away.
    fileprivate func checkKilled(_ when: String) throws {
        let tried = try Command.run("timeout", ["-k", "5", "10", "ls", mountPoint + "/disks"])
        guard tried.status != 124, tried.status != 137 else {
            Guardian.abort(mountPoint)
            throw Command.Failure(description: "\(when): the mount hangs")
        }
        if isListed {
            try Command.succeed("timeout", "-k", "5", "10", "umount", "-l", mountPoint)
        }
    }
}
