import CryptoPrimitives

/// Who holds the CMK of one account and region and does the wrapping: a keystore's file, a token
/// behind PKCS #11, a key service across the network. It knows nothing of metering: uses are
/// logged and counted by who calls it.
///
/// Every call ends in bounded time: `.unavailable` where the service does not answer. Errors never
/// carry key material or what the service's credentials are.
public protocol KeyBackend: Sendable {
    var account: String { get }
    var region: String { get }
    /// Where the CMK is held, as people name it: a path or a URI, without any secret.
    var location: String { get }

    /// Whether the service was activated for the account. Throws `.io`, `.unavailable`.
    var isActivated: Bool { get throws(KeyError) }

    /// Activates the service for the account; false if it was. Makes no CMK: that comes with the
    /// first data key. Throws `.locked`, `.io`, `.unavailable`.
    func activate() throws(KeyError) -> Bool

    /// A fresh data key, in the clear and wrapped under the CMK, which is made now if there is
    /// none. Throws `.notActivated`, `.locked`, `.disabled`, `.io`, `.unavailable`.
    func generateDataKey(context: KeyContext) throws(KeyError) -> GeneratedDataKey

    /// The data key inside `wrapped`, whichever version of the CMK wrapped it. Throws `.refused` if
    /// it was not wrapped for this very context, `.unknownKey`, and as `generateDataKey`.
    func unwrap(_ wrapped: WrappedKey, context: KeyContext) throws(KeyError) -> SecretBytes

    /// The same data key under the newest version of the CMK; `wrapped` itself if it is already.
    /// Throws as `unwrap`.
    func rewrap(_ wrapped: WrappedKey, context: KeyContext) throws(KeyError) -> WrappedKey

    /// A new version of the CMK's material, under its id: data keys are wrapped under it from then
    /// on, and what earlier versions wrapped still unwraps. Gives its number. Throws `.unknownKey`
    /// if no CMK was made yet, `.refused` where the CMK cannot be rotated from here, and as
    /// `generateDataKey`.
    func rotate() throws(KeyError) -> UInt32

    /// What can be told of the CMK; nil if none was made yet. Throws `.notActivated`, `.io`,
    /// `.unavailable`.
    func describe() throws(KeyError) -> KeyDescription?
}
