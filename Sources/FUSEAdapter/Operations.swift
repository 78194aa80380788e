import CFUSE

/// libfuse's callbacks. What is not here libfuse answers ENOSYS once, and the kernel then does
/// without (locks and extended attributes, for instance, which it keeps itself or refuses);
/// `forget` needs nothing, for inode numbers are never used again.
func operations() -> fuse_lowlevel_ops {
    var table = fuse_lowlevel_ops()
    table.`init` = negotiate
    addTreeOperations(to: &table)
    addFileOperations(to: &table)
    addRefusals(to: &table)
    return table
}

/// What is agreed with the kernel at the start.
///
/// No writeback cache: it would acknowledge in the kernel, reorder, and own the file size. Cached
/// pages go only when we say so (EXPLICIT_INVAL_DATA in place of AUTO_INVAL_DATA): a disk has one
/// writer, this mount. No splice: payloads go through page-aligned memory of ours.
private func negotiate(
    userdata: UnsafeMutableRawPointer?, connection: UnsafeMutablePointer<fuse_conn_info>?
) {
    guard let connection else { return }
    let limit = UInt32(ThreadBuffers.payloadLimit)
    connection.pointee.max_write = limit
    connection.pointee.max_read = limit
    connection.pointee.max_readahead = limit
    connection.pointee.max_background = 64
    connection.pointee.congestion_threshold = 48
    let unwanted =
        FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_SPLICE_READ
        | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE
    let wanted = FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_ASYNC_DIO | FUSE_CAP_ATOMIC_O_TRUNC
    connection.pointee.want &= ~UInt32(unwanted)
    connection.pointee.want |= UInt32(wanted) & connection.pointee.capable
}
