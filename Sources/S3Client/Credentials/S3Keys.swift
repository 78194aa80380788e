import CryptoPrimitives
import Synchronization

/// One pair of keys for a server, and the token that belongs to it if they are for a time only.
public final class S3Keys: Sendable {
    let accessKey: String
    private let secret: SecretBytes
    private let token: SecretBytes?
    /// The last key that was derived: it is good for a day.
    private let derived = Mutex<(scope: String, key: HMACKey)?>(nil)

    init(accessKey: String, secret: consuming SecretBytes, token: consuming SecretBytes?) {
        self.accessKey = accessKey
        self.secret = secret
        self.token = token
    }

    /// nil if they need none. Lends the bytes; the pointer must not outlive the call.
    func withToken<R>(_ body: (UnsafeRawBufferPointer?) -> R) -> R {
        guard token != nil else { return body(nil) }
        return token!.withUnsafeBytes { body($0) }
    }

    func isEqual(to other: S3Keys) -> Bool {
        guard accessKey == other.accessKey,
            secret.withUnsafeBytes({ a in other.secret.withUnsafeBytes { constantTimeEqual(a, $0) }
            })
        else { return false }
        return withToken { mine in
            other.withToken { its in
                guard let mine, let its else { return mine == nil && its == nil }
                return constantTimeEqual(mine, its)
            }
        }
    }

    func signingKey(
        day: String, region: String, service: String
    ) throws(CryptoError) -> HMACKey {
        let scope = "\(day)/\(region)/\(service)"
        if let known = derived.withLock({ $0?.scope == scope ? $0?.key : nil }) { return known }
        let prefix = Array("AWS4".utf8)
        var key = try secret.withUnsafeBytes { (secret) throws(CryptoError) in
            try SecretBytes(count: prefix.count + secret.count) { buffer in
                buffer.copyBytes(from: prefix)
                UnsafeMutableRawBufferPointer(rebasing: buffer[prefix.count...])
                    .copyBytes(from: secret)
            }
        }
        for part in [day, region, service, "aws4_request"] {
            let tag = try HMACKey(key).authenticate(Array(part.utf8))
            key = try SecretBytes(count: tag.count) { $0.copyBytes(from: tag) }
        }
        let made = try HMACKey(key)
        derived.withLock { $0 = (scope, made) }
        return made
    }
}
