import KeyManagement

/// A key provider as the control plane manages it: activated through OpenKmsService, and asked what
/// it was used for.
public protocol KeyService: KeyProvider {
    /// Activates the service for the store's account and region; nothing happens, and false is
    /// returned, if it is. Throws `.locked` (also if it is active and the unlocker it was given
    /// does not open it), `.io`.
    @discardableResult
    func activate() throws(KeyError) -> Bool

    /// How often the key was used, by action (`AttachDisk`), refused calls included.
    /// Throws `.io`.
    func usage() throws(KeyError) -> [String: UInt64]
}

extension MeteredKeys: KeyService {}

extension InMemoryKMS: KeyService {}
