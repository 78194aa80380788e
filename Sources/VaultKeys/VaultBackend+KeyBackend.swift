import CryptoPrimitives
import KeyManagement

extension VaultBackend {
    /// Wrapped keys of the engine have about 100 bytes; one is read from untrusted storage.
    private static let maximumLength = 1024

    /// Whether the CMK is there: it is made by activation.
    public var isActivated: Bool { get throws(KeyError) { try key() != nil } }

    public func activate() throws(KeyError) -> Bool {
        if let existing = try key() {
            try requireUsable(existing)
            return false
        }
        let options = Array("{\"type\":\"aes256-gcm96\",\"exportable\":false}".utf8)
        let body = try withCrypto("activate") { () throws(CryptoError) in
            try SecretBytes(count: options.count) { $0.copyBytes(from: options) }
        }
        let reply = try call("keys/\(keyName)", body: SharedSecret(body))
        guard (200..<300).contains(reply.status), let made = try key() else {
            throw KeyError(
                .io, "the key server \(location) did not make the CMK: \(reason(reply))")
        }
        try requireUsable(made)
        return true
    }

    public func generateDataKey(context: KeyContext) throws(KeyError) -> GeneratedDataKey {
        let dataKey = try withCrypto("make a data key") { () throws(CryptoError) in
            try SecretBytes.random(count: MasterKey.dataKeyLength, from: entropy)
        }
        let wrapped = try wrap(dataKey, context)
        return GeneratedDataKey(key: dataKey, wrapped: wrapped)
    }

    public func unwrap(
        _ wrapped: WrappedKey, context: KeyContext
    ) throws(KeyError) -> SecretBytes {
        guard wrapped.keyID == keyID else {
            _ = try requireKey()
            throw KeyError(
                .unknownKey,
                "the key server \(location) holds no CMK \(wrapped.keyID.prefix(36)) for account"
                    + " \(account) in region \(region); name the server, account and region the"
                    + " disk was made with")
        }
        guard Self.isCiphertext(wrapped.bytes) else {
            _ = try requireKey()
            throw refusal(context, "it is no wrapped key of a transit engine")
        }
        let data = Base64.encode(AssociatedData.ofDataKey(under: keyID, context))
        let text = [
            Array("{\"ciphertext\":\"".utf8), wrapped.bytes,
            Array("\",\"associated_data\":\"".utf8),
            data, Array("\"}".utf8),
        ].joined()
        let body = try withCrypto("unwrap") { () throws(CryptoError) in
            try SecretBytes(count: text.count) { $0.copyBytes(from: text) }
        }
        let reply = try call("decrypt/\(keyName)", body: SharedSecret(body))
        guard reply.status == 200 else {
            try requireEnabled(try requireKey())
            let reason = reason(reply)
            if reason.contains("disallowed by policy") {
                throw KeyError(
                    .disabled,
                    "the key server \(location) no longer lets the CMK's version be used that"
                        + " wrapped this key (min_decryption_version)")
            }
            throw refusal(
                context,
                "it was altered, or wrapped for another store, lineage, epoch or format, or by a"
                    + " CMK that was deleted since (\(reason))")
        }
        return try plaintext(reply, context)
    }

    public func rewrap(
        _ wrapped: WrappedKey, context: KeyContext
    ) throws(KeyError) -> WrappedKey {
        let dataKey = try unwrap(wrapped, context: context)
        let newest = Array("vault:v\(try requireKey().latestVersion):".utf8)
        if wrapped.bytes.starts(with: newest) { return wrapped }
        return try wrap(dataKey, context)
    }

    public func rotate() throws(KeyError) -> UInt32 {
        try requireUsable(try requireKey())
        let body = try withCrypto("rotate a CMK") { () throws(CryptoError) in
            try SecretBytes(count: 2) { $0.copyBytes(from: Array("{}".utf8)) }
        }
        let reply = try call("keys/\(keyName)/rotate", body: SharedSecret(body))
        guard (200..<300).contains(reply.status) else {
            throw KeyError(
                .io, "the key server \(location) did not rotate the CMK: \(reason(reply))")
        }
        return try requireKey().latestVersion
    }

    public func describe() throws(KeyError) -> KeyDescription? {
        let key = try requireKey()
        return KeyDescription(
            keyID: keyID, alias: MasterKey.alias, account: account, region: region,
            created: Timestamp(seconds: key.created),
            state: key.softDeleted == true ? .disabled : .enabled, version: key.latestVersion,
            origin: "Vault")
    }

    private func wrap(
        _ dataKey: borrowing SecretBytes, _ context: KeyContext
    ) throws(KeyError) -> WrappedKey {
        // Asked first, for `encrypt` makes a key that is missing, as the server likes it.
        try requireUsable(try requireKey())
        let data = Base64.encode(AssociatedData.ofDataKey(under: keyID, context))
        let head = Array("{\"plaintext\":\"".utf8)
        let tail = Array("\",\"associated_data\":\"".utf8) + data + Array("\"}".utf8)
        let middle = Base64.length(of: dataKey.count)
        let body = try dataKey.withUnsafeBytes { (key) throws(KeyError) in
            try withCrypto("wrap a data key") { () throws(CryptoError) in
                try SecretBytes(count: head.count + middle + tail.count) { (buffer) in
                    buffer.copyBytes(from: head)
                    Base64.encode(
                        key, into: UnsafeMutableRawBufferPointer(rebasing: buffer[head.count...]))
                    UnsafeMutableRawBufferPointer(rebasing: buffer[(head.count + middle)...])
                        .copyBytes(from: tail)
                }
            }
        }
        let reply = try call("encrypt/\(keyName)", body: SharedSecret(body))
        guard reply.status == 200 else {
            throw KeyError(
                .disabled, "the key server \(location) does not wrap: \(reason(reply))")
        }
        let made = try JSONCoding.decode(
            TransitReply<TransitCiphertext>.self, from: Array(reply.body.bytes),
            "the reply of the key server \(location)")
        let bytes = Array(made.data.ciphertext.utf8)
        guard Self.isCiphertext(bytes) else {
            throw KeyError(.io, "the key server \(location) gave no wrapped key")
        }
        return WrappedKey(keyID: keyID, bytes: bytes)
    }

    /// The data key in a reply, which never becomes text of ours.
    private func plaintext(
        _ reply: VaultClient.Reply, _ context: KeyContext
    ) throws(KeyError) -> SecretBytes {
        var isKey = false
        let key = try withCrypto("hold a data key") { () throws(CryptoError) in
            try SecretBytes(count: MasterKey.dataKeyLength) { buffer in
                isKey =
                    reply.body.member("plaintext").map { Base64.decode($0, into: buffer) }
                    ?? false
            }
        }
        guard isKey else { throw refusal(context, "what it holds is no data key") }
        return key
    }

    /// nil if there is no such key.
    private func key() throws(KeyError) -> TransitKey? {
        let reply = try call("keys/\(keyName)")
        switch reply.status {
        case 200:
            return try JSONCoding.decode(
                TransitReply<TransitKey>.self, from: Array(reply.body.bytes),
                "the reply of the key server \(location)"
            ).data
        case 404 where reply.body.bytes.count < 64: return nil
        default:
            throw KeyError(
                .io,
                "the key server \(location) has no transit engine there: \(reason(reply))")
        }
    }

    private func requireKey() throws(KeyError) -> TransitKey {
        if let key = try key() { return key }
        throw KeyError(
            .notActivated,
            "the KMS is not activated in the key server \(location) (it has no key \(keyName));"
                + " activate it (`OpenKmsService`)")
    }

    /// That new data keys may be wrapped under it.
    private func requireUsable(_ key: TransitKey) throws(KeyError) {
        try requireEnabled(key)
        guard key.type == "aes256-gcm96", !key.isDerived else {
            throw KeyError(
                .io, "key \(keyName) of the key server \(location) is not aes256-gcm96")
        }
        guard key.staysInside else {
            throw KeyError(
                .refused,
                "key \(keyName) of the key server \(location) can be taken out of it (exportable or"
                    + " allow_plaintext_backup): it protects nothing, and is not used")
        }
    }

    private func requireEnabled(_ key: TransitKey) throws(KeyError) {
        guard key.softDeleted == true else { return }
        throw KeyError(
            .disabled,
            "key \(keyName) of the key server \(location) is disabled (soft-deleted); its keeper"
                + " can take that back")
    }

    private func refusal(_ context: KeyContext, _ cause: String) -> KeyError {
        KeyError(
            .refused,
            "CMK \(keyID) refuses the data key of lineage \(context.lineage), epoch"
                + " \(context.epoch), in store \(context.store): \(cause)")
    }

    /// `vault:vN:` and base 64. It goes into a request, from untrusted storage.
    private static func isCiphertext(_ bytes: [UInt8]) -> Bool {
        bytes.count <= maximumLength && bytes.starts(with: Array("vault:v".utf8))
            && bytes.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "+/=:".utf8.contains(byte)
                }
            }
    }
}
