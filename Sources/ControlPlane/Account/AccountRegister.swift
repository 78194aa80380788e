import DiskEngine
import DiskFormat
import Synchronization

/// What the account has besides disks and snapshots, as it is stored, and which disks are at this
/// host.
///
/// Invariants:
/// - what `record` shows is durable in the store: a change that cannot be written has not happened,
///   and no later mount finds that it has;
/// - a disk is at no more instances than its category allows, those counted that are just being
///   attached (`reserve`).
///
/// Disks at this host (`i-local`) are in no record: that ends with the mount.
final class AccountRegister: Sendable {
    typealias Attachment = AccountRecord.Attachment

    /// A disk at an instance.
    struct Place: Hashable, Sendable {
        let instance: InstanceID
        let device: String
    }

    fileprivate struct State {
        var record: AccountRecord
        var local: [Attachment] = []
        /// Places that are being taken at this moment.
        var reserved: [DiskID: [Place]] = [:]
        /// Why the stored record is not to be used.
        var failure: DiskError?
    }

    private let store: Store
    private let state: Mutex<State>
    /// Held while the record is written, so that changes come one after the other. True if the
    /// stored record may be another one: a write failed, and so did the one that was to undo it.
    private let isDoubtful = Mutex(false)

    init(_ store: Store) {
        self.store = store
        var state = State(record: AccountRecord(store: store.identity.storeID))
        do {
            state.record = try store.accountRecord()
        } catch {
            state.failure =
                error as? DiskError ?? DiskError(.io, "reading the account's record: \(error)")
        }
        self.state = Mutex(state)
    }

    /// Throws what kept it from being read.
    var record: AccountRecord {
        get throws { try state.withLock { try $0.usable } }
    }

    /// The record, empty if it cannot be read: for what shows disks and does not depend on it.
    var shown: AccountRecord {
        state.withLock { $0.failure == nil ? $0.record : AccountRecord(store: $0.record.store) }
    }

    /// Changes the record, durably or not at all. In a store that other hosts have, too, `body` is
    /// run anew for as long as one of them is faster.
    func change<R>(_ body: (inout AccountRecord) throws -> R) throws -> R {
        if store.isShared { return try changeShared(body) }
        return try isDoubtful.withLock { isDoubtful in
            var changed = try record
            let before = changed
            let result = try body(&changed)
            guard changed != before || isDoubtful else { return result }
            do {
                try store.replaceAccountRecord(changed)
            } catch {
                // Whoever reports a failed write may have done it all the same.
                isDoubtful = (try? store.replaceAccountRecord(before)) == nil
                throw error
            }
            isDoubtful = false
            state.withLock { [changed] in $0.record = changed }
            return result
        }
    }

    private func changeShared<R>(_ body: (inout AccountRecord) throws -> R) throws -> R {
        try isDoubtful.withLock { _ in
            while true {
                let (before, version) = try store.versionedAccountRecord()
                var changed = before
                let result = try body(&changed)
                let isDone =
                    try changed == before || store.replaceAccountRecord(changed, of: version)
                guard isDone else { continue }
                show(changed)
                return result
            }
        }
    }

    /// Takes over what other hosts of a shared store have changed. Throws as `accountRecord` does.
    func refresh() throws {
        guard store.isShared else { return }
        try isDoubtful.withLock { _ in show(try store.accountRecord()) }
    }

    private func show(_ record: AccountRecord) {
        state.withLock { state in
            state.record = record
            state.failure = nil
        }
    }

    /// Sees to it that what is stored is what `record` shows.
    func makeCertain() throws { try change { _ in } }

    // MARK: Where disks are

    /// Where a disk is, or is just being attached.
    func places(of disk: DiskID) -> [Place] {
        state.withLock { $0.places(of: disk) + $0.reserved[disk, default: []] }
    }

    /// Disks at an instance by device name, in the order in which they came.
    func attachments(of instance: InstanceID) -> [Attachment] {
        state.withLock { $0.attachments(of: instance) }
    }

    /// Why a disk gets no place at an instance.
    enum NoPlace: Error {
        /// It is at as many as it may be.
        case taken
        /// The instance has as many disks as it may have.
        case full
        /// The instance is just being deleted, or the disk made or deleted with one.
        case changing
    }

    /// Takes a place for a disk, at a device name that is free, if it is at fewer than `limit`
    /// instances. Every success has its `settle` or `giveUp`. `madeWith`: the instance that the
    /// disk was made with, if any.
    func reserve(
        _ disk: DiskID, madeWith: String?, at instance: InstanceID, limit: Int
    ) throws(NoPlace) -> Place {
        try state.withLock { state throws(NoPlace) in
            let taken = state.places(of: disk) + state.reserved[disk, default: []]
            guard taken.count < limit, !taken.contains(where: { $0.instance == instance }) else {
                throw .taken
            }
            guard !state.record.creating.contains(where: { $0.text == madeWith }),
                !state.record.instances.contains(where: {
                    $0.deleting?.contains(disk) ?? false || $0.id == instance && $0.deleting != nil
                })
            else { throw .changing }
            let devices =
                state.attachments(of: instance).map(\.device)
                + state.reserved.values.joined().filter { $0.instance == instance }.map(\.device)
            guard instance == .local || devices.count < ControlPlane.disksPerInstance else {
                throw .full
            }
            let place = Place(instance: instance, device: DeviceName.next(after: devices))
            state.reserved[disk, default: []].append(place)
            return place
        }
    }

    /// The disk is attached at a reserved place.
    func settle(_ disk: DiskID, _ place: Place) throws {
        defer { giveUp(disk, place) }
        let attachment = Attachment(disk: disk, device: place.device)
        if place.instance == .local {
            return state.withLock { $0.local.append(attachment) }
        }
        try change { record in
            guard let index = record.index(of: place.instance),
                record.instances[index].deleting == nil
            else {
                throw DiskError(
                    .notFound,
                    "instance \(place.instance) was deleted while disk \(disk) was"
                        + " being attached to it")
            }
            record.instances[index].attachments.append(attachment)
        }
    }

    /// Whether an instance is just being deleted: nothing is opened at it any more.
    func isDeleting(_ instance: InstanceID) -> Bool {
        state.withLock { state in
            state.record.instances.contains { $0.id == instance && $0.deleting != nil }
        }
    }

    func giveUp(_ disk: DiskID, _ place: Place) {
        state.withLock { state in
            state.reserved[disk]?.removeAll { $0 == place }
            if state.reserved[disk]?.isEmpty == true { state.reserved[disk] = nil }
        }
    }

    /// The disk is at the instance no more.
    func remove(_ disk: DiskID, from instance: InstanceID) throws {
        if instance == .local {
            return state.withLock { $0.local.removeAll { $0.disk == disk } }
        }
        try change { record in
            guard let index = record.index(of: instance) else { return }
            record.instances[index].attachments.removeAll { $0.disk == disk }
        }
    }
}

extension AccountRegister.State {
    fileprivate var usable: AccountRecord {
        get throws {
            if let failure { throw failure }
            return record
        }
    }

    fileprivate func attachments(of instance: InstanceID) -> [AccountRegister.Attachment] {
        instance == .local
            ? local : record.instances.first { $0.id == instance }?.attachments ?? []
    }

    fileprivate func places(of disk: DiskID) -> [AccountRegister.Place] {
        ([(.local, local)] + record.instances.map { ($0.id, $0.attachments) })
            .flatMap { instance, attachments in
                attachments.filter { $0.disk == disk }.map {
                    AccountRegister.Place(instance: instance, device: $0.device)
                }
            }
    }
}

extension AccountRecord {
    func index(of instance: InstanceID) -> Int? { instances.firstIndex { $0.id == instance } }
}

extension AccountID<InstanceKind> {
    /// The host itself: always there, and where a disk is attached if nothing else is said.
    static let local = Self("i-local")!  // one of its kind's constants
}

/// The names that disks have at an instance: `vdb` to `vdz`, then `vdaa` and so on. (`vda` is the
/// system's own.)
enum DeviceName {
    /// The first that is not taken.
    static func next(after taken: [String]) -> String {
        let taken = Set(taken)
        var number = 1
        while taken.contains(name(number)) { number += 1 }
        return name(number)
    }

    /// 0 is `vda`.
    static func name(_ number: Int) -> String {
        var letters: [UInt8] = []
        var rest = number
        repeat {
            letters.insert(UInt8(ascii: "a") + UInt8(rest % 26), at: 0)
            rest = rest / 26 - 1
        } while rest >= 0
        return "vd" + String(decoding: letters, as: UTF8.self)
    }

    /// Whether it can stand in a folder of the mount: a stored record may hold anything.
    static func isValid(_ name: String) -> Bool {
        name.hasPrefix("vd") && (3...6).contains(name.utf8.count)
            && name.utf8.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
    }
}
