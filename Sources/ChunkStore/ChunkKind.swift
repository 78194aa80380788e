/// What the medium of a store does with a chunk that is written piece by piece.
///
/// The calls of `ChunkFile` mean the same with both. What differs is what they cost, and whether
/// space comes back.
public enum ChunkKind: Sendable, Hashable {
    /// A chunk lies on the medium from its creation, and what is written goes to its place there:
    /// a flush costs what was written since the last one, and a range that is deallocated gives its
    /// space back, as far as the medium can. A folder; RADOS.
    case appendable
    /// The medium takes chunks whole and changes them no more: what is written waits beside it, a
    /// flush sends more than was written, and a range that is deallocated reads as zeros but gives
    /// no space back; that comes with the removal of the chunk alone. S3.
    case whole
}
