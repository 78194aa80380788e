import ChunkStore
import DiskEngine

// Figures of a store on other machines: what waits for it, and what it was asked.
extension Namespace {
    /// Nothing, of a store that does not tell of itself.
    func addBackend(to text: inout MetricsText) {
        guard let report = store.backendReport else { return }
        text.single(
            "sealdisk_backend_waiting_bytes", .gauge, "What waits for its upload.",
            report.waitingBytes)
        text.begin(
            "sealdisk_backend_lag_seconds", .gauge, "How long the first of it has waited.")
        text.sample("sealdisk_backend_lag_seconds", [], report.lagSeconds)
        text.begin(
            "sealdisk_backend_lag_limit_seconds", .gauge,
            "How long it waits at most while the backend answers.")
        text.sample("sealdisk_backend_lag_limit_seconds", [], report.lagLimitSeconds)
        text.single(
            "sealdisk_backend_cached_bytes", .gauge, "Bytes of this host that chunks take.",
            report.cachedBytes)
        text.single(
            "sealdisk_backend_failing", .gauge, "1 if the last upload failed.",
            report.failure == nil ? 0 : 1)
        let requests = report.requests
        text.begin(
            "sealdisk_backend_requests_total", .counter,
            "Requests to the backend, each attempt for itself: they cost money.")
        for (kind, count) in [
            ("put", requests.puts), ("get", requests.gets), ("list", requests.lists),
            ("delete", requests.deletes),
        ] {
            text.sample("sealdisk_backend_requests_total", [("kind", kind)], count)
        }
        text.single(
            "sealdisk_backend_failed_requests_total", .counter,
            "Requests that came to nothing, by load, time or connection.", requests.failures)
        text.single(
            "sealdisk_backend_sent_bytes_total", .counter, "Bytes of bodies that were sent.",
            requests.bytesSent)
        text.single(
            "sealdisk_backend_received_bytes_total", .counter,
            "Bytes of bodies that were received.", requests.bytesReceived)
    }
}
