import CryptoPrimitives
import Glibc
import Synchronization

/// A key management service in a file: one CMK per account and region, made on first use, in a
/// keystore that lies apart from the disks' data and is itself sealed.
///
/// Unlocking waits for the first call that needs the CMK, which then stays in locked memory until
/// `lock()` or the end of the process. A second process may use the same keystore. Uses are metered
/// by `MeteredKeys` around it.
public final class EmbeddedKMS: KeyBackend {
    public let path: String
    public let account: String
    public let region: String

    let keystore: Keystore
    let clock: any WallClock
    let entropy: any Entropy
    let cost: ScryptCost
    /// Held while unlocking, so that a person is asked once however many calls wait.
    let state: Mutex<State>

    struct State {
        /// nil: what the keystore's own description suggests.
        var unlocker: Unlocker?
        var keys: KeystoreKeys?
        /// CMKs of this account and region that were opened, by id.
        var masterKeys: [String: MasterKey] = [:]
        /// The one new data keys are wrapped under.
        var current: MasterKey?
    }

    /// Touches nothing yet. `path` is the keystore's file.
    /// `unlocker` nil: the keystore tells how (a key file's place, or a prompt for a passphrase).
    /// `cost` is for keystores made by `activate`; an existing one keeps its own.
    public init(
        path: String = EmbeddedKMS.defaultPath(), account: String, region: String,
        unlocker: Unlocker? = nil, clock: any WallClock = SystemClock(),
        entropy: any Entropy = SystemEntropy(), cost: ScryptCost = .standard
    ) {
        self.path = path
        self.account = account
        self.region = region
        self.clock = clock
        self.entropy = entropy
        self.cost = cost
        keystore = Keystore(path: path)
        state = Mutex(State(unlocker: unlocker))
    }

    /// `/etc/sealdisk/keystore.json` for root, else in the user's configuration folder
    /// (XDG Base Directory Specification).
    public static func defaultPath() -> String {
        func folder(_ variable: String) -> String? {
            guard let value = getenv(variable) else { return nil }
            let text = String(cString: value)
            return text.hasPrefix("/") ? text : nil
        }
        if geteuid() == 0 { return "/etc/sealdisk/keystore.json" }
        let configuration = folder("XDG_CONFIG_HOME") ?? (folder("HOME") ?? "") + "/.config"
        return configuration + "/sealdisk/keystore.json"
    }

    /// Unlocks now rather than at the first use, and uses no key: for a program that can ask a
    /// person only at its start. Throws `.notActivated`, `.locked`, `.io`.
    public func unlock() throws(KeyError) {
        try state.withLock { (state) throws(KeyError) in _ = try unlocked(&state) }
    }

    /// Forgets every key; the next call that needs one unlocks again.
    public func lock() {
        state.withLock {
            $0.keys = nil
            $0.masterKeys = [:]
            $0.current = nil
        }
    }
}
