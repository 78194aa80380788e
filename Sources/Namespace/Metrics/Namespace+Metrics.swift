import DiskEngine
import DiskFormat
import KeyManagement

// `metrics`: figures for who watches many hosts. What each means stands in Observability.md, which
// a test compares with what is written here.
extension Namespace {
    /// From here on the calls of the KMS are among the figures.
    public func showKeyCalls(_ counts: @escaping @Sendable () -> [KeyCall: UInt64]) {
        keyCalls.withLock { $0 = counts }
    }

    /// The text of `metrics`.
    public func metrics() -> String {
        var text = MetricsText(common: [("store", store.identity.storeID)])
        let status = store.status()
        addMount(to: &text)
        addDisks(to: &text)
        addRequests(to: &text)
        addSnapshotReads(to: &text)
        addLog(to: &text)
        addStore(status, to: &text)
        addReclamation(status, to: &text)
        addBackend(to: &text)
        addKeyCalls(to: &text)
        return text.text
    }

    private func addMount(to text: inout MetricsText) {
        text.begin("sealdisk_build_info", .gauge, "The program that serves the mount; always 1.")
        text.sample("sealdisk_build_info", [("version", facts.version)], 1 as UInt64)
        text.begin("sealdisk_mount_info", .gauge, "Where the store is mounted; always 1.")
        text.sample(
            "sealdisk_mount_info",
            [("mount_point", facts.mountPoint), ("path", facts.store)], 1 as UInt64)
        text.single(
            "sealdisk_read_only", .gauge, "1 if nothing can be changed through the mount.",
            facts.isReadOnly ? 1 : 0)
        text.begin(
            "sealdisk_start_time_seconds", .gauge, "When the mount was made, in Unix time.")
        text.sample("sealdisk_start_time_seconds", [], Double(born) / 1e9)
        text.begin("sealdisk_open_handles", .gauge, "Open files of disks and snapshots.")
        var (disks, snapshots) = (0, 0)
        for (resource, count) in opens.counts {
            if case .disk = resource { disks += count } else { snapshots += count }
        }
        text.sample("sealdisk_open_handles", [("kind", "disk")], UInt64(disks))
        text.sample("sealdisk_open_handles", [("kind", "snapshot")], UInt64(snapshots))
    }

    private func addDisks(to text: inout MetricsText) {
        let names = Dictionary(
            diskNames().shown.map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
        let disks = (try? store.disks()) ?? []
        func each(
            _ name: String, _ help: String, _ value: (DiskSummary) -> UInt64
        ) {
            text.begin(name, .gauge, help)
            for disk in disks { text.sample(name, [("disk", disk.id.text)], value(disk)) }
        }
        text.begin("sealdisk_disk_info", .gauge, "A disk's name and kind; always 1.")
        for disk in disks {
            text.sample(
                "sealdisk_disk_info",
                [
                    ("disk", disk.id.text), ("name", names[disk.id] ?? disk.id.text),
                    ("encrypted", disk.isEncrypted ? "true" : "false"),
                ], 1 as UInt64)
        }
        each("sealdisk_disk_attached", "1 while the disk is attached.") { $0.isAttached ? 1 : 0 }
        each("sealdisk_disk_size_bytes", "The disk's size.") { $0.size }
        each("sealdisk_disk_stored_bytes", "Bytes of blocks that hold data.") { $0.storedBytes }
        each(
            "sealdisk_disk_damaged_reads",
            "Requests that met damage since the disk was attached."
        ) { $0.damage?.count ?? 0 }
    }

    private func addKeyCalls(to text: inout MetricsText) {
        let calls = keyCalls.withLock { $0 }?() ?? [:]
        text.begin(
            "sealdisk_kms_calls_total", .counter,
            "Calls of the KMS by operation and what became of them.")
        let sorted = calls.sorted {
            ($0.key.operation, $0.key.outcome) < ($1.key.operation, $1.key.outcome)
        }
        for (call, count) in sorted {
            text.sample(
                "sealdisk_kms_calls_total",
                [("operation", call.operation), ("outcome", call.outcome)], count)
        }
    }
}
