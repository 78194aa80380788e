import ControlPlane
import FUSEAdapter
import Glibc
import KeyManagement
import Namespace

/// Handing a served mount over to another process, and going on if that fails.
///
/// Order: what could hinder it is looked at first; then nobody is served any more, and what was
/// acknowledged is made durable by closing the store, as at any end; only then the other process is
/// given /dev/fuse. It says when it has opened the store, with all disks attached; until then this
/// process can go on, by opening the store again.
///
/// Invariant: at every moment at most one process has the store open; and /dev/fuse is open in one
/// at least, so that the kernel keeps the mount and whoever waits in it.
struct Handover: Sendable {
    let served: ServedMount
    let session: MountSession
    let mountPoint: String
    /// Opens the store again, for a tree that goes on from a state. Throws why it cannot.
    let reopen: @Sendable (TreeState) throws(Failure) -> ServedMount.Parts

    /// How long requests under way may take, in seconds.
    private static let drainPatience = 20.0
    /// How long the other process may take to open the store, in seconds.
    private static let patience = 60
    /// How often, a second apart, this process tries to have the store back.
    private static let attempts = 30

    /// Answers one request to hand over. Does not return if the mount was taken over.
    func answer(_ connection: HandoverConnection) {
        connection.setPatience(Self.patience)
        guard case .request(let version)? = connection.receive()?.message else { return }
        served.turn.withLock { _ in
            if let refusal = hindrance(version) { return refuse(connection, refusal) }
            guard session.pause(within: Self.drainPatience) else {
                return refuse(
                    connection, "a request to it takes long (a scrub, an attach, the medium)")
            }
            // A request that was answered in the meantime may have begun something.
            if let refusal = hindrance(version) {
                session.resume()
                return refuse(connection, refusal)
            }
            handOver(connection)
        }
    }

    private func handOver(_ connection: HandoverConnection) {
        let (tree, state) = (served.tree.state(), session.state())
        Report.line("handing \(mountPoint) over")
        session.closeAll()
        served.tree.closeControl()
        do {
            try served.parts.opened.store.close()
        } catch {
            refuse(connection, Failure(Refusal(ofStore: error)).message)
            return goOn(from: tree, state)
        }
        let offer = HandoverMessage.offer(
            tree: tree, session: state, manager: ServiceNotice.manager)
        let isSent = connection.send(offer, session.descriptor)
        switch isSent ? connection.receive()?.message : nil {
        case .taken:
            // Until the other process has no parent but the service manager: of one that has
            // another the manager would not know when it ends.
            _ = connection.receive()
            leave(to: connection.peer?.process)
        case .failed(let reason):
            Report.line("\(mountPoint) was not taken over: \(reason)")
        default:
            // It must not open the store after this: it may be about to.
            if let process = connection.peer?.process, process != getpid() { end(process) }
            Report.line("\(mountPoint) was not taken over: the other process said nothing")
        }
        goOn(from: tree, state)
    }

    /// Nothing is unmounted, and nothing is closed that is not closed already.
    private func leave(to process: Int32?) -> Never {
        // Before this process ends: its end would be that of the service.
        if let process { ServiceNotice.say("MAINPID=\(process)") }
        Report.line("\(mountPoint) is served by another process now")
        served.tree.tellRest()
        Report.drain(seconds: 2)
        HandoverDoor.takeAway()
        Glibc._exit(0)
    }

    private func end(_ process: Int32) {
        guard let watch = ProcessWatch(process) else { return }
        kill(process, SIGKILL)
        watch.waitForEnd {}
    }

    private func goOn(from tree: TreeState, _ state: SessionState) {
        var failure: Failure?
        for attempt in 0..<Self.attempts {
            if attempt > 0 { sleep(1) }
            do throws(Failure) {
                let parts = try reopen(tree)
                served.replace(with: parts)
                for lost in session.resume(with: parts.tree, state) { Report.line(lost) }
                return
            } catch {
                failure = error
            }
        }
        // Nobody can be served any more: whoever waits is told, in place of waiting for ever.
        let lost = Failure(
            .failed,
            "\(mountPoint) was not taken over, and its store cannot be opened again:"
                + " \(failure?.message ?? "")",
            advice: failure?.advice ?? "Mount the store again.")
        FailureNote.leave(lost)
        Report.line(lost.message)
        UnmountCommand.cutOff(mountPoint)
        Report.drain(seconds: 2)
        HandoverDoor.takeAway()
        Glibc._exit(lost.exitCode)
    }

    /// Why the mount cannot be handed over now; nil if it can.
    private func hindrance(_ version: Int) -> String? {
        guard version == HandoverMessage.version else {
            return "the two versions do not agree on how (\(HandoverMessage.version) here,"
                + " \(version) there)"
        }
        if let hindrance = served.tree.hindrance { return hindrance }
        guard served.parts.opened.hasEncryptedDisksAttached else { return nil }
        do throws(KeyError) {
            _ = try served.keys.metered.backend.describe()
            return nil
        } catch {
            return "the key service does not answer, and the disks must be attached anew:"
                + " \(error.message)"
        }
    }

    private func refuse(_ connection: HandoverConnection, _ reason: String) {
        Report.line("\(mountPoint) is not handed over: \(reason)")
        connection.send(
            .refusal(
                message: reason,
                advice: "The mount is served as before. Try again when that is over, or unmount it"
                    + " and mount it anew."))
    }
}

extension OpenedStore {
    fileprivate var hasEncryptedDisksAttached: Bool {
        store.attachedDisks().contains { (try? store.disk($0.id).isEncrypted) ?? true }
    }
}
