import FUSEAdapter
import Glibc
import Namespace

/// A mount on its way from the process that served it to this one. While there is one, nobody
/// serves: whoever asks the mount waits.
struct Takeover {
    let tree: TreeState
    let session: SessionState
    /// /dev/fuse, as the mount has it open.
    let descriptor: Int32
    let manager: ServiceManager?
    private let connection: HandoverConnection

    /// How long the other process may take to stop and close the store, in seconds.
    private static let patience = 120

    /// Has the process that serves a mount stop, and hand it over. Throws why it does not: then it
    /// serves on.
    init(of mount: MountedStore) throws(Failure) {
        guard let server = mount.server else {
            throw Failure(
                .notFound, "Nobody serves the mount at \(mount.mountPoint), as far as can be seen.",
                advice: "If its daemon is gone: sealdisk mount --recover"
                    + " \(ShellWord.text(mount.store)) \(ShellWord.text(mount.mountPoint))")
        }
        guard let connection = HandoverDoor.connect(to: server) else {
            throw Failure(
                .denied,
                "Process \(server), which serves \(mount.mountPoint), cannot be asked to hand it"
                    + " over: it has no socket here.",
                advice: "Run this as the user who mounted the store. A daemon of a version that"
                    + " could not do this yet is ended by sealdisk unmount.")
        }
        connection.setPatience(Self.patience)
        connection.send(.request(version: HandoverMessage.version))
        guard let (answer, descriptor) = connection.receive() else {
            throw Self.silence(of: server)
        }
        switch answer {
        case .offer(let tree, let session, let manager):
            guard let descriptor else { throw Self.silence(of: server) }
            self.tree = tree
            self.session = session
            self.manager = manager
            self.descriptor = descriptor
            self.connection = connection
        case .refusal(let message, let advice):
            throw Failure(.busy, "The mount was not handed over: \(message).", advice: advice)
        case .request, .taken, .failed: throw Self.silence(of: server)
        }
    }

    /// The mount is this process's: the other ends, when the connection that is returned is gone.
    func confirm() -> HandoverConnection {
        connection.send(.taken)
        return connection
    }

    /// It cannot be: the other goes on.
    func giveBack(because reason: String) {
        close(descriptor)
        connection.send(.failed(reason))
    }

    private static func silence(of server: Int32) -> Failure {
        Failure(
            .failed, "Process \(server) did not hand the mount over, and did not say why.",
            advice: "Look at its log and at the mount (sealdisk status), then try again.")
    }
}
