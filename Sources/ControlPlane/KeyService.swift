import KeyManagement

/// A key provider as the control plane manages it: activated through OpenKmsService, and asked what
/// it was used for.
public protocol KeyService: KeyProvider {
    /// Activates the service for the store's account and region; nothing happens if it is.
    /// Throws `.locked`, `.io`.
    func activate() throws(KeyError)

    /// How often the key was used, by action (`AttachDisk`), refused calls included.
    /// Throws `.io`.
    func usage() throws(KeyError) -> [String: UInt64]
}

extension EmbeddedKMS: KeyService {
    public func activate() throws(KeyError) { try activate(unlocker: nil) }
}

extension InMemoryKMS: KeyService {}
