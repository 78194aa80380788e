import CryptoPrimitives
import DiskEngine
import DiskFormat
import KeyManagement
import Synchronization

/// The cloud-disk model over the engine: ECS resources, rules and actions. A request goes in as
/// text in one of three forms, one JSON reply comes out; the `control` file of a mount, the
/// command line and tests all knock at this one door.
///
/// Invariants:
/// - every request has exactly one reply, whatever its bytes;
/// - a refused request has changed nothing, unless its message says what was done;
/// - actions that change something run one at a time; beside them run those that describe, imports,
///   and attaching a disk, which may take long.
///
/// `perform` may wait for the engine and for the kernel: never call it on a thread that serves the
/// kernel's requests.
public final class ControlPlane: Sendable {
    public let store: Store
    let keys: any KeyService
    let hooks: (any MountHooks)?
    /// Where the store is, for DescribeStore; nil when it is nowhere (in memory).
    let location: String?
    let register: AccountRegister
    let diskTurns = DiskTurns()
    private let entropy: any Entropy
    let turn = Mutex<Void>(())
    /// Disks that an action is changing at this moment, and how they show meanwhile.
    let passing = Mutex<[DiskID: DiskStatus]>([:])
    /// The time point up to which this mount has carried out each policy of a shared store.
    let policyRuns = Mutex<[SnapshotPolicyID: Int64]>([:])

    /// - Parameters:
    ///   - hooks: the mounted tree, held for as long as this lives; nil when the store is not
    ///     mounted: disks can then not be attached.
    ///   - location: the store's absolute path, told by DescribeStore.
    ///   - isReadOnly: nothing is to change: what an interruption left stays as it is.
    public init(
        store: Store, keys: any KeyService, hooks: (any MountHooks)?, location: String? = nil,
        isReadOnly: Bool = false, entropy: any Entropy = SystemEntropy()
    ) {
        self.store = store
        self.keys = keys
        self.hooks = hooks
        self.location = location
        self.entropy = entropy
        register = AccountRegister(store)
        if !isReadOnly { finishInterrupted() }
        announceInstances()
    }

    /// Carries out one request in any of the three forms, and answers it. Never throws, never
    /// traps: what cannot be understood is a refusal. `readOnly`: so is what changes more than
    /// which disks are attached.
    public func perform(_ request: [UInt8], readOnly: Bool = false) -> Reply {
        answer(readOnly: readOnly) { () throws(Refusal) in try Request(parsing: request) }
    }

    /// Carries out one request in any of the three forms, and answers it.
    public func perform(_ request: String) -> Reply { perform(Array(request.utf8)) }

    /// Takes in a sealed snapshot, and answers with its id and what it is. It may take hours, and
    /// other actions are carried out meanwhile: the engine sees to it that nothing gets in the way
    /// of anything. `source` and `readsToEnd` as in `Store.importSnapshot`; `requiresEncryption`
    /// refuses a plain one.
    public func importSnapshot(
        reading source: @escaping SealedSnapshotFile.Source, readsToEnd: Bool,
        requiresEncryption: Bool = false
    ) -> Reply {
        answer { () throws(Refusal) in
            try takeIn(source, readsToEnd, requiresEncryption: requiresEncryption)
        }
    }

    /// Tells the mounted tree of a change that was not made in an action's turn.
    func announce(_ change: ResourceChange) {
        turn.withLock { _ in hooks?.didChange(change) }
    }

    /// Carries out a request that needs no parsing, and answers it.
    public func perform(_ request: Request) -> Reply { answer { request } }

    private func answer(
        readOnly: Bool = false, _ request: () throws(Refusal) -> Request
    ) -> Reply {
        answer { () throws(Refusal) in try execute(try request(), readOnly: readOnly) }
    }

    private func answer(_ work: () throws(Refusal) -> JSONObject) -> Reply {
        let id: String
        do {
            id = try RequestID.make(from: entropy)
        } catch {
            return Reply(requestID: RequestID.none, refusal: Refusal(error, about: .request))
        }
        do {
            return Reply(requestID: id, fields: try work())
        } catch {
            return Reply(requestID: id, refusal: error)
        }
    }

    private func execute(
        _ request: Request, readOnly: Bool
    ) throws(Refusal) -> JSONObject {
        let action = try Action.named(request.action)
        guard !readOnly || action.isForReading else {
            throw Refusal(
                .readOnly, "The store is mounted read-only (-o ro): \(action.name) is not allowed.",
                recommend: "Unmount the store and mount it without ro.")
        }
        let arguments = try Arguments(request, of: action, region: store.identity.region)
        do throws(Refusal) {
            return try perform(action, arguments)
        } catch {
            guard error != .dryRun else { return ["DryRun": true] }
            // Another host may have made it a moment ago.
            guard store.isShared, error.kind == .notFound, refresh() == nil else { throw error }
        }
        do throws(Refusal) {
            return try perform(action, arguments)
        } catch {
            guard error == .dryRun else { throw error }
            return ["DryRun": true]
        }
    }

    private func perform(_ action: Action, _ arguments: Arguments) throws(Refusal) -> JSONObject {
        guard action.takesTurn else { return try action.perform(self, arguments) }
        return try turn.withLock { _ throws(Refusal) in try action.perform(self, arguments) }
    }
}
