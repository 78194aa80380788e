import CRados
import ChunkStore
import Synchronization

/// A part of a Ceph pool as a store. In the RADOS namespace of its prefix lie
///
/// | object | what |
/// |---|---|
/// | `f/FOLDER` | a folder: its names, and small objects themselves (`Folders`) |
/// | `c/ID/N` | the Nth piece of what a name with that id stands for (`Pieces`) |
/// | `journal` | ids that may have no name (`Journal`) |
/// | `lock` | who has the store, and the lease on it (`Lease`); which parts were ever taken |
/// | `journal/PART`, `lock/PART` | the same of a part that was taken for itself (`Scope`) |
///
/// One of these is a client of the cluster, and has the store as a whole or a part of it, if any.
/// `SharedRADOSStore` is put together of several.
///
/// A chunk's bytes lie under an id of their own, not under its name: a name is created and removed
/// in one order to its folder, on a condition, whatever it stands for; pieces are whole before they
/// get their name, and a name that is used again never leads to what it stood for before. A write
/// is durable when the cluster acknowledges it, so a flush costs nothing.
///
/// A chunk counts against the pool's quota, and against what its disks are said to be filled with,
/// from its creation (`Pieces.allocate`): a pool that is full refuses new chunks, not writes to
/// those that are there. The disks themselves may be full all the same, if there is no such limit
/// before.
public final class RADOSStore: ChunkStore {
    public let place: RADOSPlace
    public let isReadOnly: Bool
    public let chunkKind = ChunkKind.appendable
    let session: Session
    let folders: Folders
    let journal: Journal
    let timing: LeaseTiming
    /// A store of this host that is locked along, so that others here see which process it is.
    let hostStore: (any ChunkStore)?
    let isFencing: Bool
    let pages: PageCache?
    /// What the names of its chunks begin with among the pages that are kept.
    private let pageOwner: String
    /// A store that others change: nothing of it is kept, and nothing changed.
    let isVisiting: Bool
    private let open = Mutex(OpenContents())

    private struct OpenContents {
        var contents: [String: Weak] = [:]
        /// Names that were removed so far: whoever looked one up before looks again.
        var removals = 0
    }

    private struct Weak { weak var content: Content? }

    /// Connects to the cluster. The store comes into being with its first name. Throws `.notFound`
    /// without librados, configuration or pool, `.denied`, `.unanswered`, `.io`.
    public convenience init(
        _ place: RADOSPlace, readOnly: Bool = false, timing: LeaseTiming = LeaseTiming(),
        hostLock: (any ChunkStore)? = nil, isFencing: Bool = false
    ) throws(StoreError) {
        self.init(
            try Session(place), readOnly: readOnly, timing: timing, hostLock: hostLock,
            isFencing: isFencing,
            // Who does not have the store for itself keeps nothing of it.
            pages: readOnly ? nil : Self.newPageCache())
    }

    /// What the session is of. `pages` may be those of others, too.
    init(
        _ session: Session, readOnly: Bool = false, visiting: Bool = false, timing: LeaseTiming,
        hostLock: (any ChunkStore)? = nil, isFencing: Bool = false, pages: PageCache? = nil
    ) {
        self.session = session
        place = session.place
        isReadOnly = readOnly
        isVisiting = visiting
        self.timing = timing
        hostStore = hostLock
        self.isFencing = isFencing
        self.pages = pages
        pageOwner = Entry.newID()
        folders = Folders(session)
        journal = Journal(session, of: session.scope)
    }

    /// 32 MiB: the slot tables of 4 GiB that were read from.
    static func newPageCache() -> PageCache { PageCache(limit: 8192) }

    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        let operation = "create \(name)"
        try checkWritable(operation)
        // A name that is taken is found before anything is written.
        if try folders.find(name, operation) != nil { throw Self.taken(operation) }
        let pieces = Pieces(
            session: session,
            Placement(id: Entry.newID(), length: length, shape: place.chunkShape))
        try journal.note(pieces, of: name, operation)
        try writeNew(beginning, to: pieces, isAllocated: true, operation)
        let content = content(of: pieces)
        let entry = Entry.chunk(pieces.placement)
        guard try folders.replace(name, nil, with: entry, operation) else {
            content.markRemoved()
            throw Self.taken(operation)
        }
        try journal.strike(pieces, operation)
        return RADOSChunkFile(content, name: name, of: self)
    }

    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        let operation = "recycle \(old) as \(name)"
        try checkWritable(operation)
        guard let found = try folders.find(old, operation) else {
            throw StoreError(.notFound, operation: operation, cause: "no such file")
        }
        if case .chunk(let old) = found.entry, old.length != length {
            throw StoreError(
                .foreign, operation: operation, cause: "it has \(old.length) bytes, not \(length)")
        }
        if try folders.find(name, operation) != nil { throw Self.taken(operation) }
        try remove(old)
        return try createFile(name, length: length, beginning: beginning)
    }

    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        let operation = "open \(name)"
        while true {
            let removals = open.withLock { $0.removals }
            guard let found = try folders.find(name, operation) else {
                throw StoreError(.notFound, operation: operation, cause: "no such file")
            }
            guard case .chunk(let placement) = found.entry else {
                throw StoreError(.foreign, operation: operation, cause: "it is not a chunk")
            }
            let content = content(of: Pieces(session: session, placement))
            if open.withLock({ $0.removals }) == removals {
                return RADOSChunkFile(content, name: name, of: self)
            }
        }
    }

    public func remove(_ name: ObjectName) throws(StoreError) {
        let operation = "remove \(name)"
        try checkWritable(operation)
        while true {
            guard let found = try folders.find(name, operation) else {
                throw StoreError(.notFound, operation: operation, cause: "no such file")
            }
            if found.entry == .folder {
                throw StoreError(.foreign, operation: operation, cause: "it is a folder")
            }
            if try remove(name, found, operation) { return }
        }
    }

    /// False if the name no longer stands for what was found.
    func remove(
        _ name: ObjectName, _ found: Folders.Found, _ operation: String
    ) throws(StoreError) -> Bool {
        guard let placement = found.entry.placement else {
            return try folders.remove(name, found, operation)
        }
        let pieces = Pieces(session: session, placement)
        try journal.note(pieces, of: name, operation)
        guard try folders.remove(name, found, operation) else { return false }
        try discard(pieces, operation)
        return true
    }

    /// Removes pieces whose name is gone, now or when the last who has them open closes them.
    func discard(_ pieces: Pieces, _ operation: String) throws(StoreError) {
        let content = open.withLock { open in
            open.removals += 1
            return open.contents[pieces.id]?.content
        }
        if let content {
            content.markRemoved()
        } else {
            try journal.discard(pieces, operation)
        }
    }

    /// Writes pieces that the journal has; on failure they go, as far as may be.
    func writeNew(
        _ bytes: [UInt8], to pieces: Pieces, isAllocated: Bool = false, _ operation: String
    ) throws(StoreError) {
        do throws(StoreError) {
            if isAllocated { try pieces.allocate(operation) }
            try bytes.withBytes { (bytes) throws(StoreError) in
                try pieces.write(bytes, at: 0, operation)
            }
        } catch {
            try? journal.discard(pieces, operation)
            throw error
        }
    }

    private func content(of pieces: Pieces) -> Content {
        open.withLock { open in
            if let content = open.contents[pieces.id]?.content { return content }
            let content = Content(
                pieces, journal: journal, pages: pages, pageKey: pageOwner + pieces.id,
                isOthers: isVisiting)
            // Now and then: those that nobody has open any more.
            if open.contents.count % 256 == 255 {
                open.contents = open.contents.filter { $0.value.content != nil }
            }
            open.contents[pieces.id] = Weak(content: content)
            return content
        }
    }

    func checkWritable(_ operation: @autoclosure () -> String) throws(StoreError) {
        if isVisiting {
            throw StoreError(
                .fenced, operation: operation(), cause: "this host has not taken the folder")
        }
        guard isReadOnly else { return }
        throw StoreError(
            .readOnly, operation: operation(),
            cause: "the store \(place) was opened read-only")
    }

    static func taken(_ operation: String) -> StoreError {
        StoreError(.alreadyExists, operation: operation, cause: "the name is taken")
    }
}
