// What can be told of stored records without their lineage's key: whether they are well-formed and
// say that they are what was asked for. Good enough to find accidents, never to act on.

extension UnopenedManifest {
    /// Throws `.malformed`, `.notAuthentic` if it says that it is of another lineage.
    public func unverifiedLineage(_ lineage: LineageID) throws(FormatError) -> LineageManifest {
        let (header, payload) = try openUnverified(kind: .lineage, id: lineage.description)
        guard header.lineage == lineage else {
            throw FormatError(.notAuthentic, "the manifest is that of another lineage")
        }
        return try Self.lineage(payload)
    }
}

extension UnopenedHeader {
    /// Throws `.malformed`, `.unsupported`, `.notAuthentic` if it says that it is another chunk's.
    public func unverified(
        of lineage: LineageID, _ number: ChunkNumber, suite: Suite
    ) throws -> ChunkHeader {
        let header = try decoded()
        guard header.number == number, header.lineage == lineage, header.suite == suite else {
            throw FormatError(.notAuthentic, "the header is that of another chunk")
        }
        return header
    }
}
