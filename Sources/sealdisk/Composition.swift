import ControlPlane
import DiskEngine
import KeyManagement

/// Where keys come from; nil is the usual place, and what the keystore itself suggests.
struct KeySource: Sendable {
    var keystore: String?
    var unlocker: Unlocker?
    /// Who holds the CMK instead of the keystore's file.
    var keyService: KeyServiceURI?

    /// Where the key-use log lies: beside the keystore, and where that would be if there is none.
    var logFolder: String { HostFile.folder(of: keystorePath) }

    var keystorePath: String { keystore ?? EmbeddedKMS.defaultPath() }

    /// The KMS of an account and region. Touches nothing until it is used.
    func service(account: String, region: String) throws(Failure) -> HostKeys {
        guard let keyService else {
            return HostKeys(keystoreService(account: account, region: region))
        }
        do throws(KeyError) {
            return HostKeys(
                try keyService.backend(account: account, region: region), logFolder: logFolder)
        } catch {
            throw Failure(Refusal(ofStore: error))
        }
    }

    func keystoreService(account: String, region: String) -> EmbeddedKMS {
        EmbeddedKMS(path: keystorePath, account: account, region: region, unlocker: unlocker)
    }
}

/// This host's KMS: who holds the CMK, and around it the metering that every use goes through.
struct HostKeys: Sendable {
    /// nil where the CMK is not in a keystore's file.
    let keystore: EmbeddedKMS?
    let metered: MeteredKeys

    init(_ keystore: EmbeddedKMS) {
        self.keystore = keystore
        metered = MeteredKeys(keystore)
    }

    init(_ backend: any KeyBackend, logFolder: String) {
        keystore = nil
        metered = MeteredKeys(backend, folder: logFolder)
    }

    /// Where the CMK is, as people name it.
    var place: String {
        keystore.map { "keystore \($0.path)" } ?? "key service \(metered.backend.location)"
    }

    /// For what only a keystore's file has. Throws where the CMK is held elsewhere.
    func demandKeystore() throws(Failure) -> EmbeddedKMS {
        if let keystore { return keystore }
        throw Failure(
            .invalid,
            "Unlockers, passphrases and recovery keys are those of a keystore's file; the customer"
                + " master key of this store is held by \(metered.backend.location).",
            advice: "Use that service's own tools for its PIN or tokens. For a keystore, name it:"
                + " --keystore PATH")
    }
}

/// A store opened by this process: its engine, its keys, and its absolute path.
struct OpenedStore: Sendable {
    let path: String
    let store: Store
    let keys: HostKeys

    /// The control plane over it; `hooks` is the mounted tree, if it is mounted.
    func controlPlane(hooks: (any MountHooks)?, isReadOnly: Bool = false) -> ControlPlane {
        ControlPlane(
            store: store, keys: keys.metered, hooks: hooks, location: path, isReadOnly: isReadOnly)
    }
}

/// The composition root: puts a folder, a keystore and the engine together. Everything that opens a
/// store in this program comes through here.
///
/// - Parameters:
///   - anchor: where the store's past is remembered.
///   - holder: what a second process is told about this one, for instance `sealdisk mount /mnt`.
///   - fencing: the store is taken from another host that has it.
/// - Throws: `Failure`, with what to do next.
func openStore(
    at path: String, keys source: KeySource, holder: String, fencing: Bool = false,
    anchor: AnchorChoice = .ofEnvironment, limits: Limits = .standard
) throws(Failure) -> OpenedStore {
    let path = try StoreLocation.named(path)
    let identity = try storeIdentity(at: path)
    return try openStore(
        at: path, keys: try source.service(account: identity.account, region: identity.region),
        holder: holder, fencing: fencing, anchor: anchor, limits: limits)
}

/// The same with a KMS that is there already.
func openStore(
    at path: String, keys: HostKeys, holder: String, fencing: Bool = false,
    anchor: AnchorChoice = .ofEnvironment, limits: Limits = .standard
) throws(Failure) -> OpenedStore {
    let path = try StoreLocation.named(path)
    do {
        let files = try StoreLocation(path).open(fencing: fencing)
        let identity = try Store.identity(of: files)
        let store = try Store(
            opening: files, keys: keys.metered, holder: holder,
            anchor: try anchor.anchoring(ofStore: identity.storeID, at: path),
            environment: Environment(), limits: limits)
        if let note = StoreLocation.lossNote(of: files) { Report.line(note) }
        return OpenedStore(path: path, store: store, keys: keys)
    } catch let failure as Failure {
        throw failure
    } catch {
        let failure = Failure(Refusal(ofStore: error)).about(path).advised(for: path)
        if failure.exitCode == ErrorKind.busy.exitCode, let hidden = HiddenMount.ofStore(path) {
            throw hidden.refusal
        }
        throw failure
    }
}

/// What a store says of itself, without opening it: also while another process has it.
func storeIdentity(at path: String) throws(Failure) -> StoreIdentity {
    do {
        return try Store.identity(of: StoreLocation(path).open(readOnly: true))
    } catch let failure as Failure {
        throw failure
    } catch {
        throw Failure(Refusal(ofStore: error)).about(path).advised(for: path)
    }
}

/// Verifies a store that no process has, and changes nothing in it. `onRead` as `StoreCheck` says.
///
/// - Throws: `Failure`, with what to do next; `CheckInterrupted`.
func checkStore(
    at path: String, keys source: KeySource, onRead: @escaping @Sendable (UInt64) -> Bool
) throws -> CheckReport {
    do {
        let location = try StoreLocation(path)
        // A folder is not even locked for writing; elsewhere the lock is the store's lease.
        let files = try location.open(readOnly: location.isFolder)
        let identity = try Store.identity(of: files)
        let keys = try source.service(account: identity.account, region: identity.region)
        return try StoreCheck(files, survey: files, keys: keys.metered, onRead: onRead).run()
    } catch let error as CheckInterrupted {
        throw error
    } catch let failure as Failure {
        throw failure
    } catch {
        let failure = Failure(Refusal(ofStore: error)).about(path)
        guard failure.apiCode == ErrorCode.storeLocked.rawValue else {
            throw failure.advised(for: path)
        }
        if let hidden = HiddenMount.ofStore(path) { throw hidden.refusal }
        throw Failure(
            failure, message: failure.message,
            advice: "While a store is mounted, sealdisk scrub verifies what is attached. To check"
                + " all of it, unmount it first.")
    }
}
