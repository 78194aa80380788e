import ControlPlane
import DiskEngine
import Glibc
import LocalStore

/// A copy of a whole store from one folder to another.
struct StoreCopying {
    /// Absolute.
    let from: String
    /// Absolute; it need not exist.
    let to: String

    init(from: String, to: String) {
        self.from = from
        guard (try? StoreURI(to)) == nil else {
            self.to = to
            return
        }
        var path = AbsolutePath.ofFile(to)
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        self.to = MountPlan.real(path)
    }

    /// Throws `Failure`, with what to do next. `onProgress` as `StoreCopy` says.
    func run(onProgress: @escaping (CopyProgress) -> Bool) throws(Failure) -> CopyReport {
        try checkPlaces()
        var status = stat()
        let isNew = lstat(to, &status) != 0
        /// The end that is being opened.
        var opening: String? = from
        do {
            let place = try StoreLocation(from)
            let source = try place.open(readOnly: place.isFolder)
            opening = to
            let target = try target()
            opening = nil
            let report = try StoreCopy(
                from: CopyEnd(source, survey: source), to: CopyEnd(target, survey: target),
                holder: "sealdisk store copy \(from) \(to)", onProgress: onProgress
            ).run()
            return report
        } catch {
            // A folder that was made for nothing goes again: one that holds anything stays.
            if isNew { rmdir(to) }
            if let failure = error as? Failure { throw failure }
            throw failure(error, opening)
        }
    }

    /// Neither may lie in the other: what is copied would be part of what it is copied from.
    private func checkPlaces() throws(Failure) {
        func lies(_ path: String, in folder: String) -> Bool {
            path == folder || path.hasPrefix(folder == "/" ? "/" : folder + "/")
        }
        let areFolders = from.hasPrefix("/") && to.hasPrefix("/")
        guard from != to, !areFolders || !lies(to, in: from) && !lies(from, in: to) else {
            throw Failure(
                .invalid,
                from == to
                    ? "\(from) cannot be copied to itself."
                    : "Of \(from) and \(to) one lies in the other.",
                advice: "Name a folder elsewhere, best on another medium.")
        }
    }

    private func target() throws -> StoreFiles {
        let place = try StoreLocation(to)
        guard place.isFolder else { return try place.open() }
        do {
            return try LocalStore.create(at: to)
        } catch {
            guard Refusal(ofStore: error).code == ErrorCode.alreadyExists.rawValue else {
                throw error
            }
            // Whether it is a copy that was begun is told by what is in it.
            return try LocalStore(path: to)
        }
    }

    private func failure(_ error: any Error, _ opening: String?) -> Failure {
        if error is CopyInterrupted {
            return Failure(
                .busy, "Interrupted.", advice: "Give the same command again: it goes on from here.")
        }
        if let place = InitCommand.place(to) { return place }
        let failure = Failure(Refusal(ofStore: error))
        switch failure.apiCode {
        case ErrorCode.storeLocked.rawValue: return inUse(failure)
        case ErrorCode.storeFull.rawValue:
            return Failure(
                failure, message: failure.about(to).message,
                advice: "Make room there, and give the same command again: it goes on from here.")
        case ErrorCode.alreadyExists.rawValue:
            return Failure(
                failure, message: failure.about(to).message,
                advice: "Name a new folder, an empty one, or one in which a copy of this store was"
                    + " begun. Nothing was changed there."
            ).advised(for: to)
        default:
            let place = opening ?? (failure.message.contains("the copy: ") ? to : from)
            return failure.about(place).advised(for: place)
        }
    }

    /// Whose the source or the target is, and the way out.
    private func inUse(_ failure: Failure) -> Failure {
        let store = LockHolder.current(ofStore: from) == nil ? to : from
        if let hidden = HiddenMount.ofStore(store) { return hidden.refusal }
        guard let mount = MountedStore.all().first(where: { $0.store == store }) else {
            return failure.about(store)
        }
        return Failure(
            failure,
            message: "The store \(store) is mounted at \(mount.mountPoint): it would change while"
                + " it is copied.",
            advice:
                "Unmount it first: sealdisk unmount \(ShellWord.text(mount.mountPoint)). What is in"
                + " use goes out as snapshots: sealdisk snapshot export SNAPSHOT FILE")
    }
}
