import DiskEngine
import DiskFormat

// The figures of requests.
extension Namespace {
    private struct Series {
        let labels: MetricsText.Labels
        let counts: RequestCounters.Counts
    }

    func addRequests(to text: inout MetricsText) {
        let disks = counters.all
        let series = disks.flatMap { id, counters in
            counters.operations.map { operation in
                Series(
                    labels: [("disk", id.text), ("operation", operation.name)],
                    counts: operation.counts)
            }
        }
        add(
            series, to: &text, prefix: "sealdisk_disk", of: "of disks",
            seconds: "How long requests of disks took, without what a speed limit held back.")
        text.begin(
            "sealdisk_disk_requests_in_flight", .gauge,
            "Requests of disks that have not been answered.")
        for one in series {
            text.sample("sealdisk_disk_requests_in_flight", one.labels, one.counts.inFlight)
        }
        text.begin(
            "sealdisk_disk_delayed_requests_total", .counter,
            "Requests whose answer the disk's speed limit held back.")
        for (id, counters) in disks {
            text.sample(
                "sealdisk_disk_delayed_requests_total", [("disk", id.text)],
                counters.delayed.count)
        }
        text.begin(
            "sealdisk_disk_delay_seconds_total", .counter,
            "How long the disk's speed limit held answers back.")
        for (id, counters) in disks {
            text.sample(
                "sealdisk_disk_delay_seconds_total", [("disk", id.text)],
                MetricsText.seconds(counters.delayed.nanoseconds))
        }
    }

    func addSnapshotReads(to text: inout MetricsText) {
        let series = [
            Series(labels: [("file", "plaintext")], counts: counters.snapshotReads.counts),
            Series(labels: [("file", "sealed")], counts: counters.sealedReads.counts),
        ]
        add(
            series, to: &text, prefix: "sealdisk_snapshot", of: "that read snapshots",
            seconds: "How long reads of snapshots took.")
    }

    private func add(
        _ series: [Series], to text: inout MetricsText, prefix: String, of what: String,
        seconds: String
    ) {
        let counted: [(String, String, (RequestCounters.Counts) -> UInt64)] = [
            ("requests_total", "Requests \(what) that were answered.", { $0.ended }),
            ("request_errors_total", "Requests \(what) that failed.", { $0.failures }),
            ("request_bytes_total", "Bytes of requests \(what) that succeeded.", { $0.bytes }),
        ]
        for (name, help, value) in counted {
            text.begin("\(prefix)_\(name)", .counter, help)
            for one in series { text.sample("\(prefix)_\(name)", one.labels, value(one.counts)) }
        }
        text.begin("\(prefix)_request_seconds", .histogram, seconds)
        for one in series {
            text.histogram("\(prefix)_request_seconds", one.labels, one.counts)
        }
    }
}
