import COpenSSL

/// Whether two buffers hold the same bytes, in a time that depends on their lengths alone.
public func constantTimeEqual(
    _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer
) -> Bool {
    guard a.count == b.count else { return false }
    return a.count == 0 || CRYPTO_memcmp(a.baseAddress, b.baseAddress, a.count) == 0
}

/// Whether two arrays hold the same bytes, in a time that depends on their lengths alone.
public func constantTimeEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.withRawBytes { a in b.withRawBytes { b in constantTimeEqual(a, b) } }
}
