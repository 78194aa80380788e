import ControlPlane
import Glibc
import KeyManagement

/// Stores, their mounts, and their keys.
struct StoreChecks {
    let keys: KeySource
    let mends: Bool

    func all(besides path: String?) -> [Finding] {
        let states = StoreState.all(besides: path)
        var findings = states.flatMap { self.findings(of: $0) }
        findings += leftovers()
        findings.append(keyAccess())
        return findings
    }

    private func findings(of store: StoreState) -> [Finding] {
        let what = "store \(store.path)"
        switch store.service {
        case .dead: return [mendDeadMount(store)]
        case .foreign: return [.ok(what, "is another user's mount: not looked into")]
        case .silent:
            let place = store.mountPoint ?? store.path
            return [
                .failed(
                    what, "its mount at \(place) does not answer",
                    "Look at its process (\(store.process.map { "\($0)" } ?? "gone")); to end it:"
                        + " sealdisk unmount --force \(ShellWord.text(place))")
            ]
        case .unmounted: return [folder(of: store)]
        case .served:
            let wrong = store.warnings.map {
                Finding.failed(what, $0, "Put back from a copy what is damaged: sealdisk scrub.")
            }
            let space = store.space.map {
                $0.total < 1 << 60 ? ", \(ByteSize.text($0.available)) free" : ""
            }
            return wrong.isEmpty
                ? [.ok(what, "is served at \(store.mountPoint ?? "")\(space ?? "")")] : wrong
        }
    }

    /// A store that no process has: what its folder tells.
    private func folder(of store: StoreState) -> Finding {
        let what = "store \(store.path)"
        var status = stat()
        guard store.path.hasPrefix("/") else { return elsewhere(store) }
        guard stat(store.path, &status) == 0 else {
            return .failed(what, String(cString: strerror(errno)), "Name another with --store.")
        }
        guard store.description != nil else {
            return .failed(
                what, "its description cannot be read",
                "Look closer: sealdisk check \(ShellWord.text(store.path))")
        }
        guard status.st_mode & 0o077 == 0 else {
            return .warning(
                what, "others may look into its folder", "chmod 700 \(store.path)")
        }
        return .ok(what, "is whole as far as its folder tells, and not mounted")
    }

    /// A store on other machines that no process of this host has.
    private func elsewhere(_ store: StoreState) -> Finding {
        let what = "store \(store.path)"
        do throws(Failure) {
            _ = try storeIdentity(at: store.path)
            return .ok(what, "is reached, and not mounted here")
        } catch {
            return .failed(what, error.message, error.advice)
        }
    }

    private func mendDeadMount(_ store: StoreState) -> Finding {
        let place = store.mountPoint ?? store.path
        let what = "mount \(place)"
        guard mends else {
            return .failed(
                what, "is dead: its daemon is gone",
                "sealdisk doctor --mend takes it away; sealdisk mount --recover"
                    + " \(ShellWord.text(store.path)) \(ShellWord.text(place)) mounts anew, too.")
        }
        do throws(Failure) {
            guard let dead = try DeadMount.at(place) else { return .ok(what, "is gone") }
            try dead.clear()
            let advice = dead.advice.map { ". \($0)" }.joined()
            return .mended(what, "was dead, and is taken away\(advice)")
        } catch {
            return .failed(what, error.message, error.advice)
        }
    }

    /// Loop devices over files of mounts that are gone, and what processes that died left in /run.
    private func leftovers() -> [Finding] {
        var findings: [Finding] = []
        let mounts = Set(MountedStore.all().map(\.mountPoint))
        for loop in LoopLeftovers.all(outside: mounts) {
            let what = loop.path
            guard mends else {
                findings.append(
                    .failed(
                        what, "stands on a mount that is gone",
                        "Unmount what lies on it, then losetup -d \(loop.path); or --mend."))
                continue
            }
            do throws(Failure) {
                try loop.checkUnused()
                try loop.freeOfDeadFile()
                findings.append(.mended(what, "stood on a mount that is gone, and is free"))
            } catch {
                findings.append(.failed(what, error.message, error.advice))
            }
        }
        let stale = RunLeftovers.stale()
        guard !stale.isEmpty else { return findings }
        if mends {
            for path in stale { unlink(path) }
            findings.append(.mended("/run", "\(stale.count) files of dead processes are gone"))
        } else {
            findings.append(
                .warning(
                    "/run", "\(stale.count) files of dead processes: \(stale[0]) …",
                    "sealdisk doctor --mend takes them away."))
        }
        return findings
    }

    private func keyAccess() -> Finding {
        let what = "keys"
        guard keys.keyService != nil else {
            if let note = KeystoreNote.text(of: keys) {
                return .warning(what, note, "Only encrypted disks need it.")
            }
            return .ok(what, "keystore \(keys.keystorePath) is there, and so is what opens it")
        }
        do throws(Failure) {
            let host = try keys.service(account: Home.account, region: Home.region)
            do throws(KeyError) {
                let key = try host.metered.backend.describe()
                return .ok(what, "\(host.place) answers: \(key?.keyID ?? "no key yet")")
            } catch {
                return .failed(
                    what, "\(host.place): \(error.message)", Failure(Refusal(ofStore: error)).advice
                )
            }
        } catch {
            return .failed(what, error.message, error.advice)
        }
    }
}

/// Loop devices that stand on files which no mount has any more.
enum LoopLeftovers {
    /// Those whose file looked like a disk's or snapshot's of a mount of ours that is not in
    /// `mounts`; by the kernel's list, nothing is looked into.
    static func all(outside mounts: Set<String>) -> [LoopDevice] {
        HostText.names(in: "/sys/block").compactMap { name -> LoopDevice? in
            guard name.hasPrefix("loop"), let number = Int(name.dropFirst(4)),
                let file = HostText.line("/sys/block/\(name)/loop/backing_file"),
                let mount = mountPoint(of: file), !mounts.contains(mount)
            else { return nil }
            return LoopDevice(number: number)
        }
    }

    /// The kernel shows the path within the file system where that is mounted nowhere any more.
    static func mountPoint(of file: String) -> String? {
        for folder in ["/disks/", "/snapshots/"] where file.hasPrefix(folder) {
            return ""
        }
        return nil
    }
}

/// Files in /run that name a process which is gone.
enum RunLeftovers {
    static func stale() -> [String] {
        FailureNote.folders(making: false).flatMap { folder in
            HostText.names(in: folder).filter { name in
                guard name.hasPrefix("sealdisk-"),
                    [".job", ".handover"].contains(where: name.hasSuffix)
                else { return false }
                let digits = name.dropFirst("sealdisk-".count).prefix { $0.isNumber }
                guard let process = Int32(digits) else { return false }
                return kill(process, 0) != 0 && errno == ESRCH
            }.map { "\(folder)/\($0)" }
        }
    }
}
