import Synchronization

/// Keys whose every use is counted and written to the key-use log, whoever holds the CMK.
///
/// ▲ A key leaves only after its line is in the log, and not beyond the quota of the day.
public final class MeteredKeys: KeyProvider {
    /// Who holds the CMK and does the wrapping.
    public let backend: any KeyBackend
    let log: KeyUseLog
    let clock: any WallClock
    private let uses = Mutex<[String: UInt64]>([:])
    let calls = Mutex<[KeyCall: UInt64]>([:])

    /// Touches nothing yet. `folder` is where the log is kept: the keystore's own, or what stands
    /// for it where the CMK is held elsewhere.
    public init(
        _ backend: any KeyBackend, folder: String, clock: any WallClock = SystemClock()
    ) {
        self.backend = backend
        self.clock = clock
        log = KeyUseLog(folder: folder)
    }

    /// Beside the keystore's file.
    public convenience init(_ keystore: EmbeddedKMS, clock: any WallClock = SystemClock()) {
        self.init(keystore, folder: HostFile.folder(of: keystore.path), clock: clock)
    }

    /// The key-use log of a folder: `key-use.log`.
    public static func logPath(folder: String) -> String {
        KeyUseLog(folder: folder).path
    }

    /// The key-use log beside a keystore's file.
    public static func logPath(keystore path: String) -> String {
        logPath(folder: HostFile.folder(of: path))
    }

    public var account: String { backend.account }
    public var region: String { backend.region }
    /// The key-use log's file.
    public var logPath: String { log.path }

    /// Calls since this process began, refused ones too, by action (`AttachDisk`). What was before
    /// stands in the log.
    public func usage() -> [String: UInt64] { uses.withLock { $0 } }

    /// Activates the service (OpenKmsService); false if it was. Not a use. Throws as the backend.
    @discardableResult
    public func activate() throws(KeyError) -> Bool { try backend.activate() }

    /// Counts and logs one use. `body` fills in the id of the CMK once it is known.
    func metered<R: ~Copyable>(
        _ operation: KeyUseLog.Operation, _ use: KeyUse, _ context: KeyContext?,
        _ body: (inout String?) throws(KeyError) -> R
    ) throws(KeyError) -> R {
        uses.withLock { $0[use.action, default: 0] += 1 }
        var keyID: String?
        var quota: UInt64?
        func record(_ result: String) throws(KeyError) {
            let time = clock.now()
            let used = try log.append(
                KeyUseLog.Entry(
                    time: time, action: use.action, operation: operation, keyID: keyID,
                    account: account, region: region, resource: use.resource, context: context,
                    result: result),
                quota: quota)
            if result == KeyUseLog.Entry.success, let quota, used >= quota {
                throw Self.exceeded(used, quota, at: time)
            }
        }
        let result = try { () throws(KeyError) -> R in
            do throws(KeyError) {
                quota = try self.quota(for: use.action)
                try demandQuota(quota)
                return try body(&keyID)
            } catch {
                let refusal = error
                count(operation, refusal.code.rawValue)
                do throws(KeyError) {
                    try record(refusal.code.rawValue)
                } catch {
                    // No key was used; the cause of the refusal is what the caller can act on.
                    throw KeyError(
                        refusal.code, "\(refusal.message) (and not logged: \(error.message))")
                }
                throw refusal
            }
        }()
        do throws(KeyError) {
            try record(KeyUseLog.Entry.success)
        } catch {
            count(operation, error.code.rawValue)
            throw error
        }
        count(operation, KeyUseLog.Entry.success)
        return result
    }
}
