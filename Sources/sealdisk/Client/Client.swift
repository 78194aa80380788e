import ControlPlane

/// How commands reach the control plane: finds the door once, and sends requests through it.
struct Client {
    let door: Door
    private let options: GlobalOptions

    init(_ options: GlobalOptions) throws(Failure) {
        do throws(Failure) {
            door = Self.pastDeadMount(try Self.door(options))
        } catch {
            throw options.telling(environmentOf: error)
        }
        self.options = options
    }

    private static func door(_ options: GlobalOptions) throws(Failure) -> Door {
        var mount: String?
        if let given = options.mountPath {
            mount = try MountPoint.named(given)
        }
        var store: String?
        if let given = options.storePath {
            store = try StoreLocation.named(given, endpoint: options.endpoint)
        }
        return try Door.choose(mount: mount, store: store, among: MountedStore.all())
    }

    /// Where the daemon is gone nobody answers in the mount, and nobody holds the store: that is
    /// the door then, and it is said, for disks that were attached are not any more.
    private static func pastDeadMount(_ door: Door) -> Door {
        guard case .mount(let mount) = door, mount.server == nil,
            MountProbe.of(mount.mountPoint) == .dead
        else { return door }
        Terminal.complain(
            "sealdisk: the mount at \(mount.mountPoint) is dead, its daemon is gone; the store"
                + " \(mount.store) itself is used (sealdisk unmount"
                + " \(ShellWord.text(mount.mountPoint)) takes the dead mount away)\n")
        return .store(path: mount.store)
    }

    /// The mount, for what only works with one; `purpose` completes "… needs the mount".
    func demandMount(for purpose: String) throws(Failure) -> MountedStore {
        switch door {
        case .mount(let mount): return mount
        case .store(let path):
            throw Failure(
                .denied, "The store \(path) is not mounted, and \(purpose) needs the mount.",
                advice: "Mount it first: sealdisk mount \(ShellWord.text(path)) DIR")
        }
    }

    /// Sends a request and gives its reply. With `--json` the reply is printed. Throws what was
    /// refused, with its reply.
    @discardableResult
    func perform(_ request: Request) throws(Failure) -> Answer {
        try perform(request, printing: options.json)
    }

    /// Sends a request whose reply is only read here.
    @discardableResult
    func ask(_ request: Request) throws(Failure) -> Answer {
        try perform(request, printing: false)
    }

    /// Sends a request as it is written, in any form, and prints its reply.
    func performRaw(_ request: String) throws(Failure) {
        let answer = try deliver(request)
        JSONOutput.show(answer.text)
        if let refusal = answer.refusal { throw Failure(verbatim: refusal) }
    }

    private func perform(_ request: Request, printing: Bool) throws(Failure) -> Answer {
        let answer = try deliver(request.json)
        if let refusal = answer.refusal {
            throw Failure(refusal, of: request.action, reply: answer.text)
        }
        if printing { JSONOutput.show(answer.text) }
        return answer
    }

    /// The store that is the door, opened for one action.
    func open(_ path: String) throws(Failure) -> OpenedStore {
        try openStore(
            at: path, keys: options.keys.keySource(), holder: "sealdisk (one action)")
    }

    private func deliver(_ request: String) throws(Failure) -> Answer {
        let text: String
        switch door {
        case .mount(let mount):
            try options.keys.refuseFor(mount)
            guard MountProbe.of(mount.mountPoint) != .silent else {
                throw MountProbe.silence(of: mount)
            }
            text = try ControlFile.perform(request, at: mount.mountPoint)
        case .store(let path):
            Hardening.apply()
            let opened = try open(path)
            text = opened.controlPlane(hooks: nil).perform(request).json
            do {
                try opened.store.close()
            } catch {
                throw Failure(Refusal(ofStore: error))
            }
        }
        return try Answer(text)
    }
}

/// A reply as a client reads it.
struct Answer {
    let text: String
    let fields: JSON
    let refusal: Refusal?

    /// Throws if the text is not a reply.
    init(_ text: String) throws(Failure) {
        self.text = String(text.trimmingSuffix(while: \.isNewline))
        guard let fields = try? JSON(parsing: text.utf8), fields["RequestId"] != nil else {
            throw Failure(
                .failed, "The mount's reply cannot be read.",
                advice: "Unmount it and mount it with the version of this program.")
        }
        self.fields = fields
        refusal = fields["Code"]?.string.map {
            Refusal(
                code: $0, message: fields["Message"]?.string ?? "",
                recommend: fields["Recommend"]?.string ?? "")
        }
    }
}

extension String {
    fileprivate func trimmingSuffix(while test: (Character) -> Bool) -> Substring {
        var rest = self[...]
        while let last = rest.last, test(last) { rest.removeLast() }
        return rest
    }
}
