/// Everything a `MemoryStore` holds, as one value: copying it copies the store.
///
/// Invariants: `used` is the sum of the files' allocated pages; a file that is not in `files` has
/// neither a name nor a handle; every folder above a name is in `nodes`.
struct MemoryContents: Sendable {
    enum Node: Sendable, Hashable {
        case folder
        case file(UInt64)
    }

    var nodes: [String: Node] = [:]
    var files: [UInt64: MemoryFile] = [:]
    /// Pages taken, and how many there are.
    private(set) var used: UInt64 = 0
    let limit: UInt64
    /// Raised by every power cut: handles opened before one are dead after it.
    private(set) var boot = 0
    /// Who holds the lock, and a number that tells this holding from any other.
    var lock: (holder: String, token: UInt64)?
    private var lastNumber: UInt64 = 0

    init(limit: UInt64) { self.limit = limit }

    var freePages: UInt64 { limit - min(used, limit) }

    mutating func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    /// Names a file, in place of the one that had the name. Its folders come into being with it.
    mutating func insert(
        _ file: MemoryFile, as name: ObjectName, _ operation: String
    ) throws(StoreError) -> UInt64 {
        try checkParents(of: name, operation)
        let old = node(name).map(fileNumber) ?? nil
        if node(name) == .folder { throw foreign(operation, "it is a folder") }
        let freed = old.flatMap { files[$0] }.map { $0.handles == 0 ? $0.allocatedPages : 0 } ?? 0
        guard file.allocatedPages <= freePages + freed else { throw noSpace(operation) }
        if let old { unname(old) }
        let number = nextNumber()
        files[number] = file
        used += file.allocatedPages
        nodes[name.path] = .file(number)
        for folder in Self.parents(of: name) { nodes[folder] = .folder }
        return number
    }

    func node(_ name: ObjectName) -> Node? { nodes[name.path] }

    func number(of name: ObjectName, _ operation: String) throws(StoreError) -> UInt64 {
        try checkParents(of: name, operation)
        switch node(name) {
        case .file(let number): return number
        case .folder: throw foreign(operation, "it is a folder")
        case nil: throw StoreError(.notFound, operation: operation, cause: "no such file")
        }
    }

    func file(of name: ObjectName, _ operation: String) throws(StoreError) -> MemoryFile {
        let number = try number(of: name, operation)
        guard let file = files[number] else { throw io(operation, "the file is gone") }
        return file
    }

    /// That an object may be replaced. The file's number is its version: each has its own.
    func check(
        _ condition: ReplaceCondition, of name: ObjectName, _ operation: String
    ) throws(StoreError) {
        try checkParents(of: name, operation)
        switch condition {
        case .always: break
        case .absent:
            if node(name) != nil {
                throw StoreError(.alreadyExists, operation: operation, cause: "it exists")
            }
        case .version(let version):
            if node(name) == .folder { throw foreign(operation, "it is a folder") }
            guard let number = node(name).map(fileNumber) ?? nil,
                ObjectVersion(number: number) == version
            else {
                throw StoreError(
                    .conflict, operation: operation, cause: "it is not what it was when it was read"
                )
            }
        }
    }

    mutating func remove(_ name: ObjectName, _ operation: String) throws(StoreError) {
        let number = try number(of: name, operation)
        nodes[name.path] = nil
        unname(number)
    }

    mutating func removeFolder(_ folder: ObjectName) {
        for (path, node) in nodes where path == folder.path || path.hasPrefix(folder.path + "/") {
            nodes[path] = nil
            if let number = fileNumber(node) { unname(number) }
        }
    }

    /// Changes a file in place and keeps count of the space it takes.
    mutating func update<Result: Sendable>(
        _ number: UInt64, _ operation: String,
        _ body: (inout MemoryFile) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        guard files[number] != nil else { throw io(operation, "the file is gone") }
        let before = files[number, default: MemoryFile(length: 0)].allocatedPages
        defer { used = used - before + files[number, default: .init(length: 0)].allocatedPages }
        return try body(&files[number, default: MemoryFile(length: 0)])
    }

    mutating func closeHandle(_ number: UInt64) {
        files[number]?.handles -= 1
        collect(number)
    }

    /// A power cut: unsynced writes, open handles and the lock are gone.
    mutating func crash() {
        boot += 1
        lock = nil
        for number in files.keys { files[number]?.crash() }
        dropHandles()
        used = files.values.reduce(0) { $0 + $1.allocatedPages }
    }

    /// Forgets the handles, and with them the files that have no name.
    mutating func dropHandles() {
        for number in files.keys {
            files[number]?.handles = 0
            collect(number)
        }
    }

    private mutating func unname(_ number: UInt64) {
        files[number]?.isNamed = false
        collect(number)
    }

    private mutating func collect(_ number: UInt64) {
        guard let file = files[number], !file.isNamed, file.handles == 0 else { return }
        used -= file.allocatedPages
        files[number] = nil
    }

    /// That a name is a folder, or nothing.
    func checkFolder(_ name: ObjectName, _ operation: String) throws(StoreError) {
        try checkParents(of: name, operation)
        if node(name).map(fileNumber) ?? nil != nil { throw foreign(operation, "not a folder") }
    }

    private func checkParents(of name: ObjectName, _ operation: String) throws(StoreError) {
        for folder in Self.parents(of: name) where (nodes[folder] ?? .folder) != .folder {
            throw foreign(operation, "\(folder) is not a folder")
        }
    }

    private func fileNumber(_ node: Node) -> UInt64? {
        if case .file(let number) = node { number } else { nil }
    }

    /// The folders above a name, outermost first.
    private static func parents(of name: ObjectName) -> [String] {
        let components = name.components
        return (1..<components.count).map { components[..<$0].joined(separator: "/") }
    }
}

func foreign(_ operation: String, _ cause: String) -> StoreError {
    StoreError(.foreign, operation: operation, cause: cause)
}

func io(_ operation: String, _ cause: String) -> StoreError {
    StoreError(.io, operation: operation, cause: cause)
}

func noSpace(_ operation: String) -> StoreError {
    StoreError(.noSpace, operation: operation, cause: "no space left in the store")
}

extension ObjectVersion {
    init(number: UInt64) { self.init(withUnsafeBytes(of: number.bigEndian) { Array($0) }) }
}
