import ChunkStore
import S3Store

/// What is asked of the server: decides what some of its answers mean.
enum S3Call: Sendable, Hashable {
    case put(PutCondition)
    case get
    case list
    case delete

    var name: String {
        switch self {
        case .put: "PUT"
        case .get: "GET"
        case .list: "LIST"
        case .delete: "DELETE"
        }
    }

    /// Whether a second time does no harm. A put on a condition would be refused for what its first
    /// attempt did.
    var repeatable: Retrying.Repeatable {
        switch self {
        case .put(.always), .get, .list, .delete: .always
        case .put: .onceRefused
        }
    }
}

extension ServerError {
    /// Codes of a full or limited server: AWS has none; of MinIO, Ceph, and others.
    private static let full: Set = [
        "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded",
        "InsufficientStorage", "StorageFull", "AccountQuotaExceeded", "DiskFull",
    ]
    /// The request was turned away, or did not come in whole: nothing was done.
    private static let refused: Set = [
        "SlowDown", "ServiceUnavailable", "RequestTimeout", "TooManyRequests", "Throttling",
        "ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDownRead",
        "SlowDownWrite", "XMinioServerNotInitialized", "IncompleteBody",
    ]

    var isSkewed: Bool { code == "RequestTimeTooSkewed" }

    /// Whether other keys might help.
    var isAboutKeys: Bool {
        status == 401 || status == 403 || Self.keyAdvice[code] != nil
    }

    private static let keyAdvice = [
        "InvalidAccessKeyId": "the server does not know this access key",
        "SignatureDoesNotMatch":
            "the secret key is not the one of this access key, or something on the way changes"
            + " requests",
        "ExpiredToken": "the session token has expired",
        "TokenRefreshRequired": "the session token has expired",
        "InvalidToken": "the session token is not valid",
        "InvalidClientTokenId": "the server does not know this access key",
        "InvalidSecurity": "the keys are not valid",
        "NotSignedUp": "this account has no S3",
        "AllAccessDisabled": "all access to this bucket is disabled",
        "AccountProblem": "something is wrong with the account",
        "AccessDenied": "these keys may not do this: they need to get, put, list and delete here",
        "RequestTimeTooSkewed":
            "the clock of this host is wrong, and what the server says of the time is no better",
    ]

    /// `operation` names call and key; `place` where the keys are from.
    func meaning(_ call: S3Call, _ operation: String, _ place: S3Place, keys: String) -> StoreError
    {
        func error(_ code: StoreError.Code, _ cause: String) -> StoreError {
            StoreError(code, operation: operation, cause: cause)
        }
        if Self.full.contains(code) || status == 507 { return error(.noSpace, text) }
        if Self.refused.contains(code) { return error(.busy, text) }
        if case .put(let condition) = call, let code = conditionCode(condition) {
            return error(code, text)
        }
        switch code {
        case "NoSuchKey": return error(.notFound, "there is no such object")
        case "NoSuchBucket":
            return error(
                .io,
                "there is no bucket \(place.bucket) at \(place.endpoint): make it, or name"
                    + " another (\(text))")
        case "EntityTooLarge": return error(.tooLarge, text)
        case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException":
            return error(
                .io,
                "the bucket is in region \(region ?? "unknown"), not \(place.region): name that"
                    + " region, and its endpoint (\(text))")
        default: break
        }
        if let advice = Self.keyAdvice[code] { return denied(operation, keys, advice) }
        switch status {
        case 401, 403: return denied(operation, keys, "the server denies this")
        case 408, 429, 503: return error(.busy, text)
        case 501, 505: return error(.io, text)
        case 500...599: return error(.unanswered, text)
        case 300..<400:
            return error(.io, "the server points elsewhere, which is not followed (\(text))")
        case 404:
            return error(
                .io, "the answer is not S3's: is \(place.endpoint) the endpoint? (\(text))")
        default: return error(.io, text)
        }
    }

    /// What the answer says of the condition of a put; nil if nothing.
    private func conditionCode(_ condition: PutCondition) -> StoreError.Code? {
        let isOnWay =
            status == 409
            && ["ConditionalRequestConflict", "OperationAborted"].contains(code)
        switch condition {
        case .always: return isOnWay ? .busy : nil
        case .absent:
            if status == 412 || code == "PreconditionFailed" { return .alreadyExists }
            // Another put is under way, and may yet fail: asked again, the server will know.
            return isOnWay ? .busy : nil
        case .tag:
            if status == 412 || code == "PreconditionFailed" { return .conflict }
            return isOnWay || code == "NoSuchKey" ? .conflict : nil
        }
    }

    private func denied(_ operation: String, _ keys: String, _ advice: String) -> StoreError {
        StoreError(
            .denied, operation: operation,
            cause: "\(advice); they are from \(keys) (\(text))")
    }
}
