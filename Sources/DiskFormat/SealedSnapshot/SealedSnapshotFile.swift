import CryptoPrimitives

/// Reads a sealed snapshot from its first byte to its last and checks all there is to check: with
/// the lineage's keys that every byte is as it was made, without them what happens by accident. A
/// file or a stream: it asks for the next bytes only, and has one frame in memory.
public final class SealedSnapshotFile {
    /// Fills the buffer with the file's next bytes; how many, fewer only at its end.
    public typealias Source = (UnsafeMutableRawBufferPointer) throws -> Int
    /// A frame's items and, with the keys, the plaintext of its data items one after another.
    public typealias Visit = ([SealedItem], UnsafeRawBufferPointer) throws -> Void

    /// As it stands in the file; verified by `check(with:)`.
    public let header: SealedSnapshotHeader
    private let unopened: UnopenedSealedHeader
    private let digest: SHA256.Stream
    private let source: Source
    private let frame: UnsafeMutableRawBufferPointer
    private var position: UInt64

    /// Reads the header. Throws `.malformed`, `.unsupported`, `.notAuthentic` if its hash is not
    /// that of its bytes, and what `source` throws.
    public init(reading source: @escaping Source) throws {
        self.source = source
        digest = try SHA256.Stream()
        let page = UnsafeMutableRawBufferPointer.allocate(
            byteCount: SealedGeometry.pageSize, alignment: 4096)
        defer { page.deallocate() }
        let count = try source(page)
        unopened = UnopenedSealedHeader(bytes: Array(page[..<count]))
        header = try unopened.openUnverified()
        try digest.add(UnsafeRawBufferPointer(page))
        position = UInt64(SealedGeometry.pageSize)
        frame = .allocate(byteCount: SealedGeometry.maximumFrameSize, alignment: 4096)
    }

    deinit { frame.deallocate() }

    /// The header, authenticated. Throws `.notAuthentic`.
    public func openHeader(with keys: LineageKeys) throws -> SealedSnapshotHeader {
        try unopened.open(with: keys)
    }

    /// Reads the rest; returns the digest of the file and how many bytes it has. Called once.
    ///
    /// Throws `.malformed` or `.notAuthentic`, saying at which byte, and what `source` or `visit`
    /// throw. What was visited before counts only when this has returned. `readsToEnd`: whether
    /// something that follows the last frame is looked for, and an error.
    public func check(
        with keys: LineageKeys?, readsToEnd: Bool = true, visit: Visit = { _, _ in }
    ) throws
        -> (digest: [UInt8], size: UInt64)
    {
        let cipher = try keys.map { try $0.cipher(for: unopened.open(with: $0)) }
        var number: UInt64 = 0
        var (next, blocks): (BlockNumber, UInt64) = (0, 0)
        while true {
            let start = position
            do {
                guard let place = FrameNumber(number) else {
                    throw FormatError(.malformed, "there are more frames than any disk has blocks")
                }
                let (fields, bytes) = try readFrame(place)
                blocks += UInt64(fields.bodies)
                if let cipher {
                    let opened = try cipher.open(bytes, as: place, from: next)
                    next = opened.items.last?.blocks.upperBound ?? next
                    let bodies = bytes[SealedGeometry.pageSize...]
                    try visit(opened.items, UnsafeRawBufferPointer(rebasing: bodies))
                }
                if fields.isLast { break }
                number += 1
            } catch let error as FormatError {
                throw FormatError(error.code, "at byte \(start): \(error.message)")
            }
        }
        try checkEnd(blocks, readsToEnd)
        return (try digest.finish(), position)
    }

    /// The next frame, checked as far as it can be without a key.
    private func readFrame(_ number: FrameNumber) throws
        -> (SealedFrameFields, UnsafeMutableRawBufferPointer)
    {
        let page = UnsafeMutableRawBufferPointer(rebasing: frame[..<SealedGeometry.pageSize])
        try fill(page)
        let size = try SealedFrameFields(unverifiedIndexPage: .init(page)).frameSize
        try fill(.init(rebasing: frame[SealedGeometry.pageSize..<size]))
        let whole = UnsafeMutableRawBufferPointer(rebasing: frame[..<size])
        let fields = try SealedFrameFields.check(.init(whole), expecting: number)
        return (fields, whole)
    }

    private func fill(_ buffer: UnsafeMutableRawBufferPointer) throws {
        let count = buffer.isEmpty ? 0 : try source(buffer)
        guard count == buffer.count else {
            throw FormatError(.malformed, "the file is cut off \(count) bytes after that")
        }
        try digest.add(UnsafeRawBufferPointer(buffer))
        position += UInt64(count)
    }

    private func checkEnd(_ blocks: UInt64, _ readsToEnd: Bool) throws {
        let page = UnsafeMutableRawBufferPointer(rebasing: frame[..<SealedGeometry.pageSize])
        guard try !readsToEnd || source(page) == 0 else {
            throw FormatError(.malformed, "at byte \(position): something follows the last frame")
        }
        guard header.isIncremental || blocks == header.storedBlocks else {
            throw FormatError(
                .malformed,
                "the file has \(blocks) blocks, its header says \(header.storedBlocks)")
        }
    }
}
