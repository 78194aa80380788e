import ChunkStore

extension S3Store: ReportingStore {
    public func report() -> BackendReport {
        let backlog = uploads.backlog()
        return BackendReport(
            durability: options.durability.rawValue,
            lagLimitSeconds: Double(options.lag.wholeNanoseconds) / 1e9,
            waitingBytes: backlog.bytes, lagSeconds: Double(backlog.milliseconds) / 1000,
            cachedBytes: uploads.cachedBytes(), cacheLimitBytes: options.cacheBytes,
            failure: holdings.whyFenced ?? uploads.lastFailure.map { "\($0)" },
            requests: bucket.objects.requests)
    }
}
