import ChunkStore
import CryptoPrimitives
import Synchronization

/// Where the keys for a server come from: the environment, or the file that AWS's own tools read.
///
/// A file is read again when the server says no to what was in it, so who renews it need not
/// restart anything.
public final class S3Credentials: Sendable {
    enum Source: Sendable, Hashable {
        case environment
        case file(path: String, profile: String)
    }

    let source: Source
    private let known: Mutex<S3Keys?>

    /// `environment`: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; without
    /// them the profile `AWS_PROFILE` (`default`) of `AWS_SHARED_CREDENTIALS_FILE`
    /// (`~/.aws/credentials`). Throws `.denied` if there are none.
    public init(environment: [String: String]) throws(StoreError) {
        func value(_ name: String) -> String? {
            environment[name].flatMap { $0.isEmpty ? nil : $0 }
        }
        let (access, secret) = (value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"))
        if let access, let secret {
            let token = value("AWS_SESSION_TOKEN").map { Array($0.utf8) }
            source = .environment
            known = Mutex(
                try CredentialsFile.keys(
                    Array(access.utf8), Array(secret.utf8), token, of: "environment"))
            return
        }
        guard access == nil, secret == nil else {
            let missing = access == nil ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY"
            throw StoreError(
                .denied, operation: "S3 credentials",
                cause: "the environment has one of the two keys and lacks \(missing)")
        }
        let path =
            value("AWS_SHARED_CREDENTIALS_FILE")
            ?? value("HOME").map { "\($0)/.aws/credentials" }
        guard let path else {
            throw StoreError(
                .denied, operation: "S3 credentials",
                cause: "there are none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"
                    + " AWS_SHARED_CREDENTIALS_FILE to a file with them")
        }
        let profile = value("AWS_PROFILE") ?? "default"
        source = .file(path: path, profile: profile)
        known = Mutex(try CredentialsFile.read(path, profile: profile))
    }

    func current() throws(StoreError) -> S3Keys {
        try known.withLock { (known) throws(StoreError) -> S3Keys in
            if let known { return known }
            let keys = try read()
            known = keys
            return keys
        }
    }

    /// Other keys than those, which a server refused; nil if there are none.
    func renewed(after refused: S3Keys) -> S3Keys? {
        known.withLock { known in
            if let known, known !== refused { return known }
            // A file that is just being replaced may not be readable; the refusal stands then.
            guard let keys = try? read(), !keys.isEqual(to: refused) else { return nil }
            known = keys
            return keys
        }
    }

    private func read() throws(StoreError) -> S3Keys {
        guard case .file(let path, let profile) = source else {
            throw StoreError(
                .denied, operation: "S3 credentials", cause: "the environment does not change")
        }
        return try CredentialsFile.read(path, profile: profile)
    }

    /// For errors: where whoever reads it has to look.
    var place: String {
        switch source {
        case .environment: "AWS_ACCESS_KEY_ID of the environment"
        case .file(let path, let profile): "profile \(profile) of \(path)"
        }
    }
}
