import ChunkStore
import LocalStore
import Testing

/// Every store that there is: what the contract says holds for each of them.
enum StoreKind: CaseIterable, CustomTestStringConvertible {
    case memory, faultyOverMemory, local

    var testDescription: String { "\(self)" }

    /// Hands out an empty store, and tidies up after `body` however it ends.
    func withStore(_ body: (any ChunkStore) throws -> Void) throws {
        switch self {
        case .memory: try body(MemoryStore())
        case .faultyOverMemory: try body(FaultyStore(MemoryStore()))
        case .local:
            let folder = try TemporaryFolder()
            try body(try LocalStore.create(at: folder.path + "/store"))
        }
    }
}

func name(_ path: String, _ location: SourceLocation = #_sourceLocation) throws -> ObjectName {
    try #require(ObjectName(path), sourceLocation: location)
}

extension ChunkFile {
    /// What a read of `count` bytes gives.
    func bytes(_ count: Int, at offset: UInt64 = 0) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        let found = try bytes.withUnsafeMutableBytes { try read(into: $0, at: offset) }
        return Array(bytes[..<found])
    }

    func write(_ bytes: [UInt8], at offset: UInt64) throws {
        try bytes.withUnsafeBytes { try write($0, at: offset) }
    }
}

/// Expects a `StoreError` of one code whose text names what it was about.
func expect(
    _ code: StoreError.Code, about text: String = "", _ location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("no error, expected \(code)", sourceLocation: location)
    } catch let error as StoreError {
        #expect(error.code == code, sourceLocation: location)
        #expect(text.isEmpty || "\(error)".contains(text), sourceLocation: location)
    } catch {
        Issue.record(error, sourceLocation: location)
    }
}
