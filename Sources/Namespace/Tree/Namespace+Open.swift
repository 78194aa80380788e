import DiskEngine
import DiskFormat
import Glibc
import KeyManagement

/// How a file is to be opened.
public struct OpenMode: Sendable, Hashable {
    public var reads: Bool
    public var writes: Bool
    public var truncates: Bool

    public init(reads: Bool, writes: Bool, truncates: Bool) {
        self.reads = reads
        self.writes = writes
        self.truncates = truncates
    }
}

/// How the kernel is to treat an open file.
public enum FileCaching: Sendable, Hashable {
    /// Pages stay valid from one open to the next.
    case kept
    /// Every read comes here.
    case none
    /// Every read comes here, and there are no positions.
    case stream
}

extension Namespace {
    /// Opens a file. Throws, in this order: EROFS for writing what does not change, EACCES for a
    /// stranger, EBUSY while the disk is being detached, ENOKEY (ENXIO for a plain disk) when it is
    /// not attached, EPERM for what is plain where encryption is required. Of a disk O_TRUNC is
    /// ignored, as of a block device.
    public func open(
        _ inode: UInt64, _ mode: OpenMode, caller: Caller
    ) throws(FileError) -> (file: OpenFile, caching: FileCaching) {
        let node = try node(inode)
        if mode.writes || mode.truncates { try demandChangeable(node) }
        switch node {
        case .root, .disks, .snapshots, .instances, .instance, .traces:
            throw FileError(EISDIR, "a folder")
        case .control:
            try demandTrusted(caller)
            return (.control(ControlConversation(desk)), .stream)
        case .intake:
            try demandTrusted(caller)
            return (.intake(ImportConversation(intake)), .stream)
        case .status:
            guard !mode.writes else { throw FileError(EACCES, "status.json is only read") }
            return (.text(OpenText(try status())), .none)
        case .metrics:
            guard !mode.writes else { throw FileError(EACCES, "metrics is only read") }
            return (.text(OpenText(Array(metrics().utf8))), .none)
        case .snapshotInfo(let id):
            let document = SnapshotDocument(try engine { try store.snapshot(id) })
            return (.text(OpenText(try jsonText(document))), .none)
        case .snapshot(let id):
            try demandTrusted(caller)
            let file = try counted(id) { () throws(FileError) in
                OpenSnapshot(
                    try engine { try store.openSnapshot(id) }, opens: opens,
                    reads: counters.snapshotReads, faults: faults)
            }
            return (.snapshot(file), .kept)
        case .sealedSnapshot(let id):
            try demandTrusted(caller)
            let file = try counted(id) { () throws(FileError) in
                OpenSealedFile(
                    try engine { try store.openSealedSnapshot(id) }, opens: opens,
                    reads: counters.sealedReads, faults: faults)
            }
            // Its bytes never change.
            return (.sealed(file), .kept)
        case .sealedDifference(let id, let base):
            try demandTrusted(caller)
            let file = try counted(id) { () throws(FileError) in
                try counted(base) { () throws(FileError) in
                    OpenSealedFile(
                        try engine { try store.openSealedDifference(of: id, since: base) },
                        opens: opens, reads: counters.sealedReads, faults: faults)
                }
            }
            return (.sealed(file), .none)
        case .disk(let id):
            try demandTrusted(caller)
            return (.disk(try openDisk(id, mode, caller: caller)), .kept)
        case .trace(let id):
            try demandTrusted(caller)
            guard !mode.writes else { throw FileError(EACCES, "a trace is only read") }
            return (.trace(try openTrace(id)), .stream)
        }
    }

    /// Is no handle on the disk: a trace keeps nobody from detaching it, and ends then.
    private func openTrace(_ id: DiskID) throws(FileError) -> OpenTrace {
        let trace = try OpenTrace(of: counters.of(id).tracer)
        // Looked at afterwards: who detaches it from here on finds the trace, and ends it.
        guard store.attached(id) != nil else { throw try unattached(id) }
        return trace
    }

    /// The text of `status.json`.
    public func status() throws(FileError) -> [UInt8] { try jsonText(statusDocument) }

    var statusDocument: StatusDocument {
        StatusDocument(
            facts, started: Timestamp(seconds: born / 1_000_000_000), store: store, opens: opens,
            names: attachedNames())
    }

    private func openDisk(_ id: DiskID, _ mode: OpenMode, caller: Caller) throws(FileError)
        -> OpenDisk
    {
        let isCounted = !caller.isErrand
        if isCounted { try opens.enter(.disk(id)) }
        do throws(FileError) {
            guard let disk = store.attached(id) else { throw try unattached(id) }
            let summary = try engine { try store.disk(id) }
            try demandEncryption(summary.isEncrypted, of: "disk \(id)")
            return OpenDisk(
                disk, opens: opens, isCounted: isCounted, limit: speedLimit(of: summary),
                delays: delays, counters: counters.of(id),
                time: clock.time(
                    of: id, created: ChangeTime.nanoseconds(seconds: summary.created.seconds)),
                faults: faults)
        } catch {
            if isCounted { opens.leave(.disk(id)) }
            throw error
        }
    }

    /// Counts a handle on a snapshot, for its file or its sealed file, which `open` makes and which
    /// takes the handle over.
    private func counted<File>(
        _ id: SnapshotID, _ open: () throws(FileError) -> File
    ) throws(FileError) -> File {
        try opens.enter(.snapshot(id))
        do throws(FileError) {
            try demandEncryption(
                try engine { try store.snapshot(id) }.isEncrypted, of: "snapshot \(id)")
            return try open()
        } catch {
            opens.leave(.snapshot(id))
            throw error
        }
    }

    private func demandEncryption(_ isEncrypted: Bool, of what: String) throws(FileError) {
        guard isEncrypted || !facts.requiresEncryption else {
            throw FileError(EPERM, "\(what) is not encrypted, and this mount requires it")
        }
    }

    /// Whether access(2) is granted: `mode.writes` and `mode.reads` are what was asked for.
    public func checkAccess(_ inode: UInt64, _ mode: OpenMode, caller: Caller) throws(FileError) {
        let node = try node(inode)
        if mode.writes { try demandChangeable(node) }
        guard mode.reads || mode.writes else { return }
        switch node {
        case .control, .intake, .snapshot, .sealedSnapshot, .sealedDifference:
            try demandTrusted(caller)
        case .traces, .trace:
            try demandTrusted(caller)
            guard !mode.writes else { throw FileError(EACCES, "only read") }
        case .disk(let id):
            try demandTrusted(caller)
            guard store.attached(id) != nil else { throw FileError(EACCES, "not attached") }
        case .root, .disks, .snapshots, .instances, .instance, .status, .metrics, .snapshotInfo:
            guard !mode.writes else { throw FileError(EACCES, "only read") }
        }
    }
}
