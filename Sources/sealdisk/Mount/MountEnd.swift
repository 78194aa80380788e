import ControlPlane
import DiskEngine
import FUSEAdapter
import Glibc
import KeyManagement
import Namespace

/// The end of a mount, however it comes: bounded in time, and what it could not do is told.
///
/// One thread serves, takes the mount away and closes the store; a signal makes another prepare
/// that. The process's first thread only waits: for the end, or for the time that the end may take.
/// Then it leaves without joining or freeing anything, for whoever did not come back may use it.
final class MountEnd: Sendable {
    /// How long the end may take, in seconds.
    struct Patience: Sendable, Hashable {
        /// From a signal to the end of the process. Service managers kill after 90.
        var afterSignal = 75.0
        /// Closing the store after `unmount`, which somebody waits for.
        var afterUnmount = 600.0
        /// For requests under way and what mappings hold dirty, of all disks together.
        var draining: Double { min(30, afterSignal * 0.4) }

        static let standard = Patience()
    }

    private struct State: Sendable {
        var deadline: Double?
        /// Names of the disks that were attached when the end began, by id.
        var names: [String: String] = [:]
        var isOver = false
        /// What was cut off, but is in the store as it was acknowledged.
        var inUse: [String] = []
        /// What may not be durable.
        var lost: [String] = []
        var failure: Failure?
    }

    private let state = Watched(State())
    private let mountPoint: String
    /// The number of the mount, by which it is told from what is mounted at its folder later.
    private let device: DeviceNumber?
    private let served: ServedMount
    private let session: MountSession
    private let patience: Patience

    init(
        _ served: ServedMount, _ session: MountSession, at mountPoint: String, patience: Patience
    ) {
        self.served = served
        self.session = session
        self.mountPoint = mountPoint
        device = Self.device(at: mountPoint)
        self.patience = patience
    }

    /// Serves until the mount is unmounted or a signal comes, and returns when everything is
    /// durable. Throws what is not, or who was cut off.
    func serve(_ signals: EndSignals) throws(Failure) {
        // What an earlier process of this number left is nobody's any more.
        _ = FailureNote.take(of: getpid())
        BackgroundThread.start { [self] in leave(onSignal: signals.wait()) }
        BackgroundThread.start { [self] in
            session.serve()
            close()
        }
        waitForEnd()
        let (inUse, lost, failure) = state.withLock { ($0.inUse, $0.lost, $0.failure) }
        if failure != nil || !lost.isEmpty {
            let texts = lost + [failure?.message].compactMap { $0 }
            let told = Failure(
                .failed, texts.joined(separator: "; "),
                advice: failure?.advice ?? "Look at the store's medium, then mount again.")
            FailureNote.leave(told)
            Report.line("not everything is durable: \(told.message)", .critical)
            throw told
        }
        guard inUse.isEmpty else {
            throw Failure(
                .busy, "\(mountPoint) was in use when it ended: \(inUse.joined(separator: "; ")).",
                advice: "sealdisk unmount refuses in place of cutting users off.")
        }
    }

    /// On the signal's thread. Whoever uses the mount is cut off, for a host that shuts down does
    /// not wait; who that was is told.
    private func leave(onSignal signal: Int32) {
        Report.line("signal \(signal): leaving \(mountPoint)", .notice)
        PassphraseCommand.endAll()
        ServiceNotice.tellStopping()
        allow(patience.afterSignal)
        // A handover that is under way comes to its end first, one way or the other.
        served.turn.withLock { _ in prepareToLeave() }
    }

    private func prepareToLeave() {
        let tree = served.tree
        noteNames()
        let inUse = tree.openFiles() + MountHolders.loopDevices(on: mountPoint)
        for use in inUse { Report.line("still in use: \(use)") }
        state.withLock { $0.inUse = inUse }
        let lost = tree.prepareToEnd(within: patience.draining)
        state.withLock { $0.lost += lost }
        session.stop()
    }

    /// On the serving thread, once nobody is served any more.
    private func close() {
        PassphraseCommand.endAll()
        ServiceNotice.tellStopping()
        allow(patience.afterUnmount)
        noteNames()
        let isInPlace = isInPlace
        if isInPlace, session.isTakenOver { UnmountCommand.cutOff(mountPoint) }
        session.end(isInPlace: isInPlace, within: patience.draining)
        served.tree.tellRest()
        do {
            try served.parts.opened.store.close()
        } catch {
            let failure = Failure(Refusal(ofStore: error))
            state.withLock { $0.failure = failure }
        }
        state.withLock { $0.isOver = true }
    }

    /// Whether this mount is what is mounted at its folder.
    private var isInPlace: Bool { Self.device(at: mountPoint) == device }

    private static func device(at mountPoint: String) -> DeviceNumber? {
        MountInfo.current().last { $0.mountPoint == mountPoint }?.device
    }

    private func noteNames() {
        let names = served.tree.attachedNames()
        state.withLock { $0.names.merge(names) { $1 } }
    }

    /// The end has `seconds` from now on; what is less counts.
    private func allow(_ seconds: Double) {
        let deadline = monotonicSeconds() + seconds
        state.withLock { $0.deadline = min($0.deadline ?? deadline, deadline) }
    }

    private func waitForEnd() {
        while true {
            let deadline = state.when {
                $0.isOver || $0.deadline != nil
            } _: {
                $0.isOver ? nil : $0.deadline
            }
            guard let deadline else { return }
            let rest = deadline - monotonicSeconds()
            guard rest > 0 else { giveUp() }
            state.within(seconds: rest) {
                $0.isOver || $0.deadline != deadline
            } _: { _, _ in
            }
        }
    }

    /// The medium, or the kernel, does not answer: leaves with what is running, so that the mount
    /// is gone and somebody is told. Nothing is freed, for it is in use.
    private func giveUp() -> Never {
        // What follows may wait for the same medium.
        signal(SIGALRM, SIG_DFL)
        alarm(10)
        let names = state.withLock { $0.names }
        let disks = served.tree.attachedIDs().map { names["\($0)"] ?? "\($0)" }
        let what =
            disks.isEmpty
            ? "no disk is attached any more"
            : "disks whose last writes may be lost if the host loses power now: "
                + disks.joined(separator: ", ")
        let failure = Failure(
            .failed, "the store did not close in time, its medium hangs; \(what)",
            advice: "Look at the store's medium, then mount again.")
        FailureNote.leave(failure)
        Report.line(failure.message, .error)
        let isInPlace = isInPlace
        if isInPlace { UnmountCommand.cutOff(mountPoint) }
        session.abandon(isInPlace: isInPlace)
        Report.drain(seconds: 2)
        HandoverDoor.takeAway()
        Glibc._exit(failure.exitCode)
    }
}
