import ControlPlane
import DiskEngine
import FUSEAdapter
import Glibc
import KeyManagement
import Namespace

/// The process that serves a mount, from opening the store to the last byte made durable.
///
/// Order: signals are blocked and the process hardened before any thread is started; the store is
/// opened and disks attached before anything is mounted, so that a failure leaves nothing behind;
/// `ready` is told when the mount has answered; at the end the mount goes first, then the store is
/// closed (`MountEnd`).
struct MountService {
    /// How long a new mount may take to answer, in seconds.
    private static let readinessPatience = 60.0
    /// How long the last lines of the log may take, in seconds.
    private static let reportPatience = 2.0

    let plan: MountPlan

    func run(_ readiness: Readiness) throws(Failure) {
        let signals = EndSignals.block()
        let hardening = Hardening.apply()
        // Before the mount is there: its path is never walked by this process afterwards.
        Report.useLevel(plan.flags.logLevel)
        Report.useQueue()
        defer { Report.drain(seconds: Self.reportPatience) }
        let log = try Background.openLog(plan.flags.logFile)
        if !readiness.isAwaited { Background.chooseLog(inForeground: log) }
        let end: MountEnd
        do throws(Failure) {
            let (served, session, predecessor) =
                if let mount = plan.takenOver {
                    try takeOver(mount, hardening)
                } else {
                    try mountAnew(hardening)
                }
            reportWhenReady(session, hardening, readiness, log, predecessor)
            startThreads(served, session, hardening)
            end = MountEnd(
                served, session, at: plan.mountPoint, patience: plan.flags.endPatience)
        } catch {
            signals.unblock()
            throw error
        }
        try end.serve(signals)
    }

    /// What is served, and the process that served it before, if one did.
    private typealias Beginning = (ServedMount, MountSession, HandoverConnection?)

    private func mountAnew(_ hardening: [String: String]) throws(Failure) -> Beginning {
        let opened = try openStore(
            at: plan.store, keys: plan.keys, holder: holder, fencing: plan.isFencing,
            anchor: plan.flags.anchorChoice, limits: limits)
        do throws(Failure) {
            try plan.refuseCovered(rememberedBy: opened.keys.keystore)
            try unlock(opened.keys)
            let parts = try prepareTree(opened, hardening)
            return (ServedMount(parts), try mount(parts.tree), nil)
        } catch {
            try? opened.store.close()
            throw error
        }
    }

    /// What may fail without the store is done before the other process is asked to stop. It goes
    /// on if anything fails here.
    private func takeOver(_ mount: MountedStore, _ hardening: [String: String]) throws(Failure)
        -> Beginning
    {
        let identity = try storeIdentity(at: plan.store)
        let keys = try plan.keys.service(account: identity.account, region: identity.region)
        try plan.refuseCovered(rememberedBy: keys.keystore)
        try unlock(keys)
        let takeover = try Takeover(of: mount)
        var opened: OpenedStore?
        do throws(Failure) {
            let store = try openStore(
                at: plan.store, keys: keys, holder: holder, anchor: plan.flags.anchorChoice,
                limits: limits)
            opened = store
            let parts = try prepareTree(store, hardening, continuing: takeover.tree)
            let session: MountSession
            do throws(MountError) {
                session = try MountSession(
                    parts.tree, takingOver: takeover.descriptor, takeover.session)
            } catch {
                throw Failure(
                    .failed, "The mount could not be taken over: \(error).",
                    advice: "The process that served it goes on. Unmount it and mount it anew.")
            }
            if let manager = takeover.manager { ServiceNotice.use(manager) }
            return (ServedMount(parts), session, takeover.confirm())
        } catch {
            try? opened?.store.close()
            takeover.giveBack(because: error.message)
            throw error
        }
    }

    private var holder: String { "sealdisk mount \(plan.mountPoint)" }

    private func startThreads(
        _ served: ServedMount, _ session: MountSession, _ hardening: [String: String]
    ) {
        AnchorUpdates.start(for: served)
        if !plan.flags.isReadOnly { SnapshotSchedule.start(served) }
        if served.plane.isShared { SharedStoreWatch.start(served) }
        // The key of a keystore cannot be disabled.
        if plan.flags.fencesOnDisabledKey, plan.keys.keyService != nil {
            KeyWatch.start(served, every: plan.flags.keyCheckPeriod)
        }
        let handover = Handover(served: served, session: session, mountPoint: plan.mountPoint) {
            earlier throws(Failure) in
            let opened = try openStore(
                at: plan.store, keys: served.keys, holder: holder,
                anchor: plan.flags.anchorChoice, limits: limits)
            do throws(Failure) {
                return try prepareTree(
                    opened, hardening, continuing: earlier, toleratingFailures: true)
            } catch {
                try? opened.store.close()
                throw error
            }
        }
        HandoverDoor.open { handover.answer($0) }
    }

    /// Opens the keystore while there is somebody to ask, or with what the command line named: in
    /// the background nobody can be asked, and a wrong passphrase is better told now. Otherwise
    /// the first disk that needs a key opens it.
    private func unlock(_ keys: HostKeys) throws(Failure) {
        guard plan.keys.unlocker != nil || isatty(0) == 1 else { return }
        do throws(KeyError) {
            guard let keystore = keys.keystore else {
                return try askCredential(of: keys.metered.backend)
            }
            if try keystore.isActivated { try keystore.unlock() }
        } catch {
            throw Failure(Refusal(ofStore: error))
        }
    }

    /// The same for a key service whose PIN or token is typed. One that is not there now may be
    /// there when a disk needs it.
    private func askCredential(of service: any KeyBackend) throws(KeyError) {
        guard plan.keys.keyService?.asksAtTerminal == true else { return }
        do throws(KeyError) {
            _ = try service.describe()
        } catch {
            guard error.code == .notActivated || error.code == .unavailable else { throw error }
            Report.line("encrypted disks cannot be attached yet: \(error.message)")
        }
    }

    private var limits: Limits {
        var limits = Limits.standard
        if let bytes = plan.flags.mapMemory { limits.mapMemory = bytes }
        limits.openChunks = Hardening.openChunks
        limits.detectZeroes = plan.flags.detectsZeroes
        return limits
    }

    /// `earlier`: what the tree goes on with, the disks that are attached among it. Those that do
    /// not attach are a failure, or told and left out.
    private func prepareTree(
        _ opened: OpenedStore, _ hardening: [String: String], continuing earlier: TreeState? = nil,
        toleratingFailures: Bool = false
    ) throws(Failure) -> ServedMount.Parts {
        let facts = MountFacts(
            store: plan.store, mountPoint: plan.mountPoint, version: SealDisk.version,
            pid: getpid(), owner: getuid(), group: getgid(), isReadOnly: plan.flags.isReadOnly,
            requiresEncryption: plan.flags.requiresEncryption,
            limitsSpeed: plan.flags.limitsSpeed, hardening: hardening)
        if let earlier {
            try attachAgain(earlier, in: opened, toleratingFailures)
        }
        let tree = Namespace(
            store: opened.store, facts: facts, mappings: Errands(), continuing: earlier,
            log: OperatorLog.logger(plan.flags.logLevel))
        tree.showKeyCalls { [keys = opened.keys.metered] in
            keys.callCounts()
        }
        tree.onGrowth(GrowthNote.tell)
        let plane = opened.controlPlane(hooks: tree, isReadOnly: facts.isReadOnly)
        if earlier == nil { try attachDisks(through: plane) }
        do throws(FileError) {
            try tree.openControl { request in
                let reply = plane.perform(request, readOnly: facts.isReadOnly)
                return ControlAnswer(json: reply.json, errno: reply.errno)
            }
            tree.openImports { source in
                let reply = plane.importSnapshot(
                    reading: source, readsToEnd: false,
                    requiresEncryption: facts.requiresEncryption)
                return ControlAnswer(json: reply.json, errno: reply.errno)
            }
        } catch {
            throw Failure(unforeseen: error)
        }
        return ServedMount.Parts(opened: opened, tree: tree, plane: plane)
    }

    /// At the engine: they stay at the instances where they are.
    private func attachAgain(
        _ earlier: TreeState, in opened: OpenedStore, _ toleratesFailures: Bool
    ) throws(Failure) {
        for id in earlier.attachedDisks {
            do {
                _ = try opened.store.attach(id)
            } catch {
                let failure = Failure(Refusal(ofStore: error))
                guard toleratesFailures else { throw failure }
                Report.line("disk \(id) could not be attached again: \(failure.message)")
            }
        }
    }

    /// The disks of `attach=`. One that does not attach is a failure of the mount: whoever asked
    /// for it (fstab, for instance) builds on it.
    private func attachDisks(through plane: ControlPlane) throws(Failure) {
        do throws(Refusal) {
            switch plan.flags.attach {
            case .none: break
            case .all:
                for disk in try plane.disks() where !disk.summary.isAttached {
                    try attach(disk, through: plane)
                }
            case .named(let names):
                for name in names { try attach(try plane.disk(name), through: plane) }
            }
        } catch {
            let isDemand = error.code == "InvalidParameter.Encrypted"
            guard plan.flags.requiresEncryption, isDemand else { throw Failure(error) }
            throw Failure(
                .invalid,
                "A disk of attach= is plain, and require=encrypted demands encryption:"
                    + " \(error.message)",
                advice: "If it was created encrypted, the store was changed: check it. Otherwise"
                    + " leave it out of attach=, or mount without require=encrypted.")
        }
    }

    private func attach(_ disk: NamedDisk, through plane: ControlPlane) throws(Refusal) {
        let request = Request(
            "AttachDisk",
            [
                "DiskId": disk.summary.id.text,
                "Encrypted": plan.flags.requiresEncryption ? "true" : nil,
                "Fence": plan.isFencing ? "true" : nil,
            ])
        if let refusal = plane.perform(request).refusal { throw refusal }
    }

    private func mount(_ tree: Namespace) throws(Failure) -> MountSession {
        var options = MountOptions()
        options.source = plan.store
        options.allowsOthers = plan.flags.allowsOthers
        options.kernelOptions = plan.flags.kernelOptions
        do throws(MountError) {
            return try MountSession(tree, at: plan.mountPoint, options)
        } catch {
            throw Failure(
                .failed, "The store could not be mounted: \(error).",
                advice: "Mounting needs root, or fusermount3 (package fuse3) and /dev/fuse.")
        }
    }

    /// Starts the thread that tries the mount and then reports it ready.
    private func reportWhenReady(
        _ session: MountSession, _ hardening: [String: String], _ readiness: Readiness,
        _ log: Int32?, _ predecessor: HandoverConnection?
    ) {
        let starter = getppid()
        BackgroundThread.start {
            let error = Errands().perform(
                .begin, plan.mountPoint, patience: Self.readinessPatience)
            guard error == 0 else {
                let failure = Failure(
                    .failed,
                    "The mount at \(plan.mountPoint) does not answer: "
                        + "\(String(cString: strerror(error))).",
                    advice: "Look at the store's medium, then mount again.")
                Report.line(failure.message, .critical)
                readiness.report(failure)
                return session.stop()
            }
            warn(of: hardening)
            if readiness.isAwaited { Background.enter(log: log) }
            Report.line("serving \(plan.store) at \(plan.mountPoint)", .info)
            readiness.report()
            if let predecessor { settle(predecessor, starter, isInBackground: readiness.isAwaited) }
            let status = HostText.singleLine("Serving \(plan.store) at \(plan.mountPoint)")
            ServiceNotice.say("READY=1\nSTATUS=\(status)")
            ServiceWatchdog.start(plan.mountPoint)
        }
    }

    /// Lets the process that served the mount before end, once this one is nobody's child any more
    /// but the service manager's: see `Handover`.
    private func settle(
        _ predecessor: HandoverConnection, _ starter: pid_t, isInBackground: Bool
    ) {
        for _ in 0..<1000 where isInBackground && getppid() == starter { usleep(10_000) }
        predecessor.end()
    }

    /// What the operator can do something about, told while somebody may still be looking.
    private func warn(of hardening: [String: String]) {
        guard let state = hardening["ioFlusher"], state != "ok" else { return }
        Report.line(
            "without CAP_SYS_RESOURCE a host that is short of memory can deadlock, when dirty pages"
                + " of a loop device can only be written by this daemon: run it as root, or give"
                + " its unit that capability, and keep daemon and users in different cgroups")
        Report.drain(seconds: Self.reportPatience)
    }
}
