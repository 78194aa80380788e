import Glibc

/// What tests may do to a store that no caller of the contract could: cut its power, copy it, and
/// change what it holds.
extension MemoryStore {
    /// A power cut: every write that was not synchronized is gone, every open handle fails from now
    /// on with `.io`, and the lock is free. Names, objects and removals stay, as the contract says.
    public func crash() {
        contents.withLock { $0.crash() }
    }

    /// A store of its own with the contents of this moment, including what is not synchronized
    /// yet. It is not locked and nothing in it is open. `copy()` and then `crash()` of the copy is
    /// the disk after a power cut, while this store goes on.
    public func copy() -> MemoryStore {
        var copy = contents.withLock { $0 }
        copy.lock = nil
        copy.dropHandles()
        return MemoryStore(contents: copy, chunkKind: chunkKind)
    }

    /// The paths of all files and objects, sorted.
    public var names: [String] {
        contents.withLock { state in
            state.nodes.filter { $0.value != .folder }.keys.sorted()
        }
    }

    /// Lets `body` change the stored bytes, also their number, of a file or an object. The result
    /// is durable at once, with all that was not synchronized of it. Open handles see the change.
    /// Throws `.notFound`.
    public func mutateFile(
        _ name: ObjectName, _ body: (inout [UInt8]) -> Void
    ) throws(StoreError) {
        try contents.withLock { state throws(StoreError) in
            let operation = "mutate \(name)"
            let number = try state.number(of: name, operation)
            try state.update(number, operation) { file in
                var bytes = file.bytes
                body(&bytes)
                file.replaceBytes(with: bytes)
            }
        }
    }

    /// The same for `count` bytes at `offset`, at the cost of the pages they lie in. `body` must
    /// keep their number. Throws `.notFound`, and `.io` if the range is not within the file.
    public func mutateFile(
        _ name: ObjectName, at offset: UInt64, count: Int, _ body: (inout [UInt8]) -> Void
    ) throws(StoreError) {
        try contents.withLock { state throws(StoreError) in
            let operation = "mutate \(name)"
            let number = try state.number(of: name, operation)
            try state.update(number, operation) { file throws(StoreError) in
                var bytes = [UInt8](repeating: 0, count: count)
                let found = bytes.withUnsafeMutableBytes { file.read(into: $0, at: offset) }
                body(&bytes)
                guard found == count, bytes.count == count else {
                    throw io(operation, "offset \(offset) is outside the file")
                }
                bytes.withUnsafeBytes { file.write($0, at: offset) }
                file.synchronize()
            }
        }
    }
}

extension MemoryFile {
    /// Other contents under the same handles and name; pages that are all zero take no memory.
    fileprivate mutating func replaceBytes(with bytes: [UInt8]) {
        var file = MemoryFile(length: UInt64(bytes.count))
        file.handles = handles
        file.isNamed = isNamed
        let zeros = [UInt8](repeating: 0, count: MemoryPage.size)
        bytes.withUnsafeBytes { all in
            for start in stride(from: 0, to: all.count, by: MemoryPage.size) {
                let end = min(start + MemoryPage.size, all.count)
                let page = UnsafeRawBufferPointer(rebasing: all[start..<end])
                // Not elementsEqual: that takes seconds for one chunk in a debug build.
                if let base = page.baseAddress, memcmp(base, zeros, page.count) != 0 {
                    file.write(page, at: UInt64(start))
                }
            }
        }
        file.synchronize()
        self = file
    }
}
